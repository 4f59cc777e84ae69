import { resolve as resolvePath } from 'node:path';
import type { ImageDataset } from '../../data/images/dataset.js';
import { pixelsOf } from '../../data/images/rgb-image.js';
import type { EvaluateConfig } from '../../generated/index.js';
import { computeFrechetDistance, computeStatistics, frechetDistanceError } from '../../metrics/index.js';
import type { StoredRows } from '../../metrics/index.js';
import { untoldBefore } from '../../runner/stage.js';
import type { PlanFolders, RuntimeConfig, StageRate, UntoldTime } from '../../runner/stage.js';
import { float32, startEngine } from '../../tensorflow/index.js';
import { locateNetwork } from '../../tensorflow/install/feature-network.js';
import { measureEncoder } from '../autoencoder/rate.js';
import { someImages } from '../images/rate.js';
import { plannedAutoencoderModel, type Resolve } from '../shared/planned.js';
import { type MeasuredRate, measureWork, untoldDownload } from '../shared/rate.js';
import { featureFigures } from './feature-figures.js';
import { comparesRows, neededNetworks, networkOf, type NetworkName, widths } from './figures.js';
import { openEfficientNet, openInception } from './networks.js';
import { sidesOf } from './work.js';

/** Images that a network takes at once while it is measured. */
const measuredBatch = 32;
/** Side of made-up images: networks of features resize them anyway. */
const madeUpSide = 64;
/** Rows of features, on either side, that figures are computed of while they are measured. */
const mostRows = 4096;

/** Measures how fast each network takes images, and how long the figures of their features take. */
export async function measureEvaluation(
  config: EvaluateConfig,
  resolve: Resolve,
  runtime: RuntimeConfig,
  folders: PlanFolders,
): Promise<StageRate | UntoldTime> {
  const sides = sidesOf(config, resolve);
  const names = neededNetworks(config);
  if (sides === undefined) {
    const { samples, reference } = config;
    const waits = [samples, reference].find((id) => id !== undefined && resolve(id).output === undefined);
    return waits === undefined ? { untold: 'its files of samples are not looked into' } : untoldBefore(waits);
  }
  if (names.includes('efficientnet') && locateNetwork() === undefined)
    return untoldDownload('the network of features');
  const single: RuntimeConfig = { ...runtime, precision: 'float32' };
  await startEngine(single);
  const images = await someImages(config.reference!, resolve, folders);
  let setupSeconds = await figuresSeconds(config, sides, single);
  const unitSeconds: Partial<Record<NetworkName, number>> = {};
  for (const name of names) {
    const rate = await networkRate(name, config, images, { resolve, runtime: single, folders });
    if (rate === undefined) return untoldBefore(config.autoencoder!);
    setupSeconds += rate.setupSeconds;
    unitSeconds[name] = rate.unitSeconds;
  }
  return { setupSeconds, unitSeconds };
}

/** Times of looking at samples while a model is trained. */
interface LookingRate {
  /** Of an evaluation, which opens its network anew. */
  readonly setupSeconds: number;
  /** Of the features of an image. */
  readonly unitSeconds: number;
}

/** Measures how long it takes to look at `count` samples beside images that are counted. */
export async function measureLooking(
  { metrics, count, reference }: Pick<EvaluateConfig, 'metrics'> & { count: number; reference: string },
  images: number,
  { resolve, runtime, folders }: Surroundings,
): Promise<LookingRate | UntoldTime> {
  if (locateNetwork() === undefined) return untoldDownload('the network of features');
  const config = { metrics, reference, features: 'efficientnet', batch: measuredBatch } as const;
  const single: RuntimeConfig = { ...runtime, precision: 'float32' };
  await startEngine(single);
  const seconds = await figuresSeconds(config, [{ count }, { count: images }], single);
  const some = await someImages(reference, resolve, folders);
  const surroundings = { resolve, runtime: single, folders };
  const rate = (await networkRate('efficientnet', config, some, surroundings))!;
  return { ...rate, setupSeconds: seconds + rate.setupSeconds };
}

interface Surroundings {
  readonly resolve: Resolve;
  readonly runtime: RuntimeConfig;
  readonly folders: PlanFolders;
}

/** Rate at which a network takes images of the reference, which are read for it; a unit is an image. */
async function networkRate(
  name: NetworkName,
  {
    autoencoder,
    batch,
    inceptionFile,
    inceptionSha256,
  }: Pick<EvaluateConfig, 'autoencoder' | 'batch' | 'inceptionFile' | 'inceptionSha256'>,
  images: ImageDataset | undefined,
  { resolve, runtime, folders }: Surroundings,
): Promise<MeasuredRate | undefined> {
  const size = images?.size ?? madeUpSide;
  let next = 0;
  const read = async (count: number) => {
    const shape = [count, size, size, 3] as const;
    if (images === undefined)
      return { shape, data: Uint8Array.from({ length: count * size ** 2 * 3 }, (_, i) => (i * i) % 251) };
    const data = new Uint8Array(count * size ** 2 * 3);
    await images.readBatch(
      Array.from({ length: count }, () => next++ % images.count),
      data,
    );
    return { shape, data };
  };
  if (name === 'latents') {
    const model = await plannedAutoencoderModel(autoencoder!, resolve);
    if (model === undefined) return undefined;
    return measureEncoder(model, { size, atOnce: batch }, runtime, async (count) => {
      const { shape, data } = await read(count);
      return { pixels: float32(shape, pixelsOf(data)), images: count };
    });
  }
  const start = performance.now();
  const units = Math.min(batch, measuredBatch);
  const network = await (name === 'efficientnet'
    ? openEfficientNet(runtime, () => undefined, new AbortController().signal)
    : openInception(resolvePath(folders.pipeline, inceptionFile!), inceptionSha256, runtime));
  try {
    const call = async () => network.features(await read(units), 'images');
    return await measureWork(start, { call, units });
  } finally {
    await network.close();
  }
}

/** Time of the figures of features that are made up, of as many images as there will be. */
async function figuresSeconds(
  config: Pick<EvaluateConfig, 'metrics' | 'features' | 'inceptionFile'>,
  sides: readonly [{ readonly count: number }, { readonly count: number }],
  runtime: RuntimeConfig,
): Promise<number> {
  const { signal } = new AbortController();
  const width = widths[networkOf(config)];
  const labels = { numbers: new Int32Array(mostRows) };
  const [samples, reference] = sides.map(({ count }) => madeUpRows(Math.min(count, mostRows), width)) as [
    StoredRows,
    StoredRows,
  ];
  let seconds = 0;
  if (config.metrics.some((metric) => metric === 'fid' || metric === 'frechetDistance')) {
    const start = performance.now();
    const own = await computeStatistics(samples, runtime, signal);
    const other = await computeStatistics(reference, runtime, signal);
    await computeFrechetDistance(own, other, runtime, signal);
    await frechetDistanceError(samples, other, runtime, signal);
    seconds += (performance.now() - start) / 1000;
  }
  const known = samples.count + reference.count;
  const times = Math.max(1, sides.reduce((sum, { count }) => sum + count, 0) / known);
  const own = { name: 'samples', labels, rows: samples };
  const other = { name: 'reference', labels, rows: reference };
  for (const metric of config.metrics.filter(comparesRows)) {
    const start = performance.now();
    await featureFigures([metric], own, other, runtime, { signal });
    // Rows are compared with all of the other side, or, by the kernel, with those of a part.
    seconds += ((performance.now() - start) / 1000) * (metric === 'kernelDistance' ? times : times ** 2);
  }
  return seconds;
}

/** Features of images that there are not, none of them like another. */
function madeUpRows(count: number, width: number): StoredRows {
  const data = Float32Array.from({ length: count * width }, (_, i) => Math.sin((i + 1) ** 2 % 1e6));
  return {
    ...{ count, width },
    read: (first, rows) => Promise.resolve(data.slice(first * width, (first + rows) * width)),
  };
}
