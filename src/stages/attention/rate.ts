import type { AttentionConfig } from '../../generated/index.js';
import { sitParameters } from '../../models/sit/config.js';
import { sitCost } from '../../models/sit/cost.js';
import { openSitSession } from '../../models/sit/sit.js';
import { type RuntimeConfig, type StageRate, untoldBefore, type UntoldTime } from '../../runner/stage.js';
import { compile, streamKey } from '../../tensorflow/index.js';
import { measureDrawing } from '../draw/rate.js';
import { plannedModel, type Resolve } from '../shared/planned.js';
import { madeUp, madeUpWeights, measuredOperations, measureIn } from '../shared/rate.js';
import { usefulCounts } from './facts.js';
import { batchOf, drawnAtOnce, examination } from './run.js';

/** Measures how fast samples are drawn, and how fast attention is examined, with weights that are made up. */
export async function measureAttention(
  config: AttentionConfig,
  resolve: Resolve,
  runtime: RuntimeConfig,
): Promise<StageRate | UntoldTime> {
  const model = await plannedModel(config.model, resolve);
  if (model === undefined) return untoldBefore(config.model);
  const { count, steps, times } = config;
  const counts = usefulCounts(config, model);
  const guidance = { scale: 1, channels: 'all' } as const;
  const drawn = await measureDrawing(model, { atOnce: Math.min(count, drawnAtOnce), guidance }, runtime);
  // Each count of mediators computes every block once more.
  const operations = 2 * sitCost(model).multiplyAccumulates * (1 + counts.length);
  const most = Math.floor(measuredOperations / operations);
  const batch = Math.max(1, Math.min(batchOf(model, count), most));
  const { latentSize, channels } = model;
  const examined = await measureIn({ ...runtime, precision: 'float32' }, openSitSession, async (session) => {
    const weights = await madeUpWeights(session, sitParameters(model));
    const saved = { config: model, interpolant: 'linear', prediction: 'velocity' } as const;
    const program = compile(examination(saved, counts), { session, weights });
    const inputs = {
      data: madeUp({ dtype: 'float32', shape: [batch, latentSize, latentSize, channels] }),
      t: madeUp({ dtype: 'float32', shape: [batch] }),
      y: madeUp({ dtype: 'int32', shape: [batch] }),
      key: streamKey(0, 'rate'),
      first: madeUp({ dtype: 'int32', shape: [1] }),
    };
    return { call: () => program.call(inputs), units: batch };
  });
  return {
    setupSeconds: drawn.setupSeconds + examined.setupSeconds,
    unitSeconds: drawn.unitSeconds * (steps - 1) + examined.unitSeconds * times,
  };
}
