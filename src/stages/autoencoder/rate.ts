import { resolve as resolvePath } from 'node:path';
import type { AutoencoderConfig as StageConfig, PretrainedAutoencoderConfig } from '../../generated/index.js';
import { decode, encode } from '../../models/autoencoder-kl/autoencoder-kl.js';
import { downsampleOf, noAutoencoder, pixels } from '../../models/autoencoder-kl/config.js';
import type { AutoencoderConfig } from '../../models/autoencoder-kl/config.js';
import { autoencoderParameters } from '../../models/autoencoder-kl/parameters.js';
import { madeValues } from '../../nn/parameters.js';
import type { Json, PlanFolders, RuntimeConfig, StageRate } from '../../runner/stage.js';
import { compile, type HostTensor, mapValues, openSession, type Tensor4D } from '../../tensorflow/index.js';
import { openAutoencoderSource } from '../../weights/autoencoder-source.js';
import { writeAutoencoder } from '../../weights/write.js';
import { readingSeconds } from '../images/rate.js';
import { plannedImages, type Resolve } from '../shared/planned.js';
import { madeUp, madeUpWeights, type MeasuredRate, measuredOperations, measureIn } from '../shared/rate.js';
import { measureTaking } from '../shared/take-rate.js';
import { modelConfig } from './config.js';
import { autoencoderTrainer, inputSpecs } from './run.js';

/** Forward passes that a training step is worth: it goes forward once, and back by inputs and by weights. */
const trainingFactor = 3;

/** Measures steps of an autoencoder's training, on a part of its batch where that takes long. */
export async function measureAutoencoder(
  config: StageConfig,
  resolve: Resolve,
  runtime: RuntimeConfig,
  folders: PlanFolders,
): Promise<StageRate> {
  const { size, count = 0 } = plannedImages(config.images, resolve);
  const model = modelConfig(config);
  const batch = batchWithin(config.batch, model, size, 2 * trainingFactor);
  const inputs = mapValues(inputSpecs(batch, size), madeUp);
  const rate = await measureIn(runtime, openSession, async (session) => {
    const trainer = autoencoderTrainer(config, model, session, batch, size);
    await trainer.start(madeValues(autoencoderParameters(model), 0));
    let updates = 0;
    return { call: () => trainer.step(inputs, 1e-5, updates++), units: batch };
  });
  // Images are read once, and kept.
  const read =
    Math.min(count, config.steps * config.batch) * (await readingSeconds(config.images, resolve, folders));
  return {
    setupSeconds: rate.setupSeconds + read,
    unitSeconds: rate.unitSeconds * config.batch,
  };
}

/** Measures how fast a trained autoencoder is taken from files on this machine. */
export async function measureTakenAutoencoder(
  config: PretrainedAutoencoderConfig,
  folder: string,
): Promise<StageRate> {
  const foreseen = (model: AutoencoderConfig) => ({ foreseen: { model: model as unknown as Json } });
  if (config.weights === noAutoencoder)
    return { setupSeconds: 0, unitSeconds: 0, amount: 0, ...foreseen(pixels.config) };
  const start = performance.now();
  const source = await openAutoencoderSource(resolvePath(folder, config.weights), config);
  try {
    const rate = await measureTaking(start, autoencoderParameters(source.config), (directory, options) =>
      writeAutoencoder(source, directory, options),
    );
    return { ...rate, ...foreseen(source.config) };
  } finally {
    await source.close();
  }
}

/** Images to encode: `[rows, size, size, 3]`, and of how many images that many rows are. */
export interface EncodedPart {
  readonly pixels: HostTensor;
  readonly images: number;
}

/**
 * Measures how fast an autoencoder encodes images; a unit is an image. Images are read while those before are encoded, as
 * stages do it.
 *
 * @param read gives some images; made-up ones, where left out
 */
export function measureEncoder(
  model: AutoencoderConfig,
  { size, atOnce }: { readonly size: number; readonly atOnce: number },
  runtime: RuntimeConfig,
  read?: (count: number) => Promise<EncodedPart>,
): Promise<MeasuredRate> {
  const batch = batchWithin(atOnce, model, size, 1);
  return measureIn(runtime, openSession, async (session) => {
    const weights = await madeUpWeights(session, autoencoderParameters(model));
    const program = compile(({ images }: { images: Tensor4D }, w) => ({ ...encode(w, model, images) }), {
      ...{ session, weights },
      batch: { inputs: { images: 0 }, outputs: { mean: 0, logVariance: 0 } },
    });
    const given = { pixels: madeUp({ dtype: 'float32', shape: [batch, size, size, 3] }), images: batch };
    const next = () => read?.(batch) ?? Promise.resolve(given);
    let coming = next();
    const { images } = await coming;
    const call = async (): Promise<void> => {
      const { pixels } = await coming;
      coming = next();
      await Promise.all([program.call({ images: pixels }), coming]);
    };
    return { call, units: images };
  });
}

/** Measures how fast an autoencoder decodes latents; a unit is an image. */
export function measureDecoder(
  model: AutoencoderConfig,
  { size, atOnce }: { readonly size: number; readonly atOnce: number },
  runtime: RuntimeConfig,
): Promise<MeasuredRate> {
  const batch = batchWithin(atOnce, model, size, 1);
  const side = size / downsampleOf(model);
  return measureIn(runtime, openSession, async (session) => {
    const weights = await madeUpWeights(session, autoencoderParameters(model));
    const latents = madeUp({ dtype: 'float32', shape: [batch, side, side, model.latentChannels] });
    const program = compile(
      ({ latents }: { latents: Tensor4D }, w) => ({ images: decode(w, model, latents) }),
      { session, weights },
    );
    return { call: () => program.call({ latents }), units: batch };
  });
}

/** The largest batch whose work, in forward passes of one half of the network, is short enough to be measured. */
function batchWithin(batch: number, model: AutoencoderConfig, size: number, passes: number): number {
  const most = Math.floor(measuredOperations / (passes * encodingOperations(model, size)));
  return Math.max(1, Math.min(batch, most));
}

/** Taps of a convolution, and convolutions of a residual block. */
const taps = 9;
const convolutions = 2;

/** Floating-point operations of encoding an image, about: those of the residual blocks, on folded pixels. */
export function encodingOperations(
  { channels, layersPerBlock, patchSize }: AutoencoderConfig,
  size: number,
): number {
  return channels.reduce(
    (sum, width, level) =>
      sum + 2 * (size / patchSize / 2 ** level) ** 2 * taps * width ** 2 * convolutions * layersPerBlock,
    0,
  );
}
