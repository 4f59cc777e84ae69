import type { EvaluateConfig } from '../../generated/index.js';
import { EfficientNet } from '../../metrics/efficientnet.js';
import type { RuntimeConfig, StageRate } from '../../runner/stage.js';
import { startEngine } from '../../tensorflow/index.js';
import { locateNetwork } from '../../tensorflow/install/feature-network.js';
import { plannedImages, type Resolve } from '../shared/planned.js';
import { measureWork } from '../shared/rate.js';
import { networkFor } from './figures.js';

/** Images that are measured at once, and their side: the network enlarges them anyway. */
const [batch, side] = [8, 64];

/**
 * Measures how fast the network of features takes images. At most all images pass through it; at least the samples, where
 * the features of the reference are kept from before.
 */
export async function measureEvaluation(
  config: EvaluateConfig,
  resolve: Resolve,
  runtime: RuntimeConfig,
): Promise<StageRate | undefined> {
  const network = locateNetwork();
  const { samples, reference, metrics } = config;
  const usesIt = metrics.some((metric) => networkFor(metric, config) === 'efficientnet');
  if (!usesIt || network === undefined || runtime.workers > 1) return undefined;
  if (samples === undefined || reference === undefined) return undefined;
  const { count } = resolve(samples).config as unknown as { readonly count?: number };
  const { count: images } = plannedImages(reference, resolve);
  if (count === undefined || images === undefined) return undefined;
  await startEngine(runtime);
  const start = performance.now();
  const opened = await EfficientNet.open(network, runtime);
  try {
    const pixels = Uint8Array.from({ length: batch * side * side * 3 }, (_, i) => (i * i) % 251);
    const call = () => opened.run([batch, side, side, 3], pixels);
    return {
      ...(await measureWork(start, { call, units: batch })),
      amount: count + images,
      leastAmount: count,
    };
  } finally {
    await opened.close();
  }
}
