import { mustBePath, UserError } from '../base/errors.js';
import { asUserError } from '../base/files.js';
import { readInput } from '../base/input-file.js';
import { abortError } from '../base/streams.js';
import { shuffledOrder } from '../data/sample-order.js';
import { centreCrop } from '../data/images/crop.js';
import { decodeBytes } from '../data/images/decode.js';
import { type RgbImage, toPixels } from '../data/images/rgb-image.js';
import { downsampleOf } from '../models/autoencoder-kl/config.js';
import { sitParameters } from '../models/sit/config.js';
import { openSitSession, sit } from '../models/sit/sit.js';
import { madeValues } from '../nn/parameters.js';
import { imagesOf } from '../stages/sample/decoder.js';
import { inputSpecs } from '../stages/train/loss.js';
import { float32, floats, int32, joinedRows, startEngine, streamKey } from '../tensorflow/index.js';
import type { HostTensor, RuntimeOptions } from '../tensorflow/index.js';
import { diffusionLoss, identityOf } from '../training/diffusion-loss.js';
import type { LatentInputs, Normalization, RandomInputs } from '../training/diffusion-loss.js';
import { interpolants } from '../transport/index.js';
import type { Autoencoder } from '../weights/saved-autoencoder.js';
import { openTrainer } from './options.js';
import { SiT, type SiTOptions } from './sit.js';

/** An image with its class, from 0 on. */
export interface LabelledImage extends RgbImage {
  readonly label: number;
}

export interface TrainOptions {
  readonly steps: number;
  /** Images a step. Default 32. */
  readonly batch?: number;
  /** Reached after the first 5 % of the steps. Default 1e-3. */
  readonly learningRate?: number;
  /** Decay of the moving average of the weights, which the model gets. Default: a look back over a tenth of the steps. */
  readonly averageDecay?: number;
  /** Default 0. */
  readonly seed?: number;
  /** Encoder of the images; the model then learns latents. Default none: it learns pixels, as three channels. */
  readonly autoencoder?: Autoencoder;
  /** Names of the classes, by label. */
  readonly classes?: readonly string[];
  /** Callback with the loss of each step, counted from 1. */
  readonly onStep?: (step: number, loss: number) => void;
  readonly signal?: AbortSignal;
  readonly runtime?: RuntimeOptions;
}

const optionNames: Readonly<Record<keyof TrainOptions, true>> = {
  ...{ steps: true, batch: true, learningRate: true, averageDecay: true, seed: true, autoencoder: true },
  ...{ classes: true, onStep: true, signal: true, runtime: true },
};

/**
 * Trains a model on images in memory, with the reference's optimizer and a linear path. For data that do not fit into
 * memory, interruptions, workers and records there are pipelines.
 *
 * @param images of one size: the model's `latentSize` in pixels, times what the autoencoder makes smaller
 * @returns the model with the averages of its weights; close it after use
 * @throws UserError `model-options`, `training-options`, or an AbortError
 */
export async function train(
  model: SiTOptions,
  images: readonly LabelledImage[],
  options: TrainOptions,
): Promise<SiT> {
  const { steps, batch = 32, learningRate = 1e-3, seed = 0, autoencoder, onStep, signal, runtime } = options;
  const { averageDecay = Math.max(0, 1 - 10 / Math.max(steps, 1)) } = options;
  const config = SiT.configOf({ ...model, channels: channelsOf(model, autoencoder) });
  const { latentSize, channels, classes } = config;
  checkImages(images, latentSize * (autoencoder ? downsampleOf(autoencoder.config) : 1), classes);
  checkOptions(options, { steps, batch, seed });
  await startEngine(runtime);
  const data = await posteriors(images, autoencoder);
  const normalization = autoencoder
    ? (autoencoder.normalization ??
      statistics(
        data.map(({ mean }) => mean),
        channels,
      ))
    : identityOf(channels);
  const parameters = sitParameters(config);
  const session = openSitSession(runtime);
  try {
    const shape = [latentSize, latentSize, channels];
    const trainer = openTrainer<LatentInputs & RandomInputs>(session, {
      parameters,
      inputs: inputSpecs(batch, shape),
      loss: (inputs, weights) => {
        const { losses } = diffusionLoss((x, t, y) => sit(weights, config, x, t, y), inputs, inputs, {
          transport: { interpolant: interpolants.linear, prediction: 'velocity', lossWeight: 'none' },
          interval: [0, 1],
          ...{ timestepSampling: { kind: 'uniform' }, timestepShift: 1, normalization },
          ...{ labelDropout: config.labelDropout, nullClass: classes },
        });
        return { loss: losses.mean() };
      },
      optimizer: { betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0 },
      averageDecays: [averageDecay],
      gradientClip: 1,
    });
    await trainer.start(madeValues(parameters, seed));
    const order = shuffledOrder(seed, images.length);
    const warmup = Math.max(1, Math.round(steps / 20));
    for (let step = 0; step < steps; step++) {
      if (signal?.aborted === true) throw abortError(signal);
      const chosen = Array.from({ length: batch }, (_, i) => data[order.at(step * batch + i).index]!);
      const joined = (part: 'mean' | 'std'): HostTensor =>
        joinedRows(chosen.map((each) => float32([1, ...shape], each[part])));
      const { loss } = await trainer.step(
        {
          ...{ mean: joined('mean'), std: joined('std') },
          labels: int32(
            [batch],
            Int32Array.from(chosen, ({ label }) => label),
          ),
          posteriorKey: streamKey(seed, 'posterior', step),
          noiseKey: streamKey(seed, 'noise', step),
          timeKey: streamKey(seed, 'time', step),
          dropoutKey: streamKey(seed, 'dropout', step),
          firstSample: int32([1], Int32Array.of(0)),
        },
        learningRate * Math.min(1, (step + 1) / warmup),
        step,
      );
      onStep?.(step + 1, loss);
    }
    const weights: Record<string, HostTensor> = {};
    for await (const [name, value] of trainer.read('average')) weights[name] = value;
    const { classes: names } = options;
    const place = { ...(runtime && { runtime }), ...(names && { classes: names }) };
    return await SiT.create(config, { weights, normalization, ...place });
  } finally {
    await session.close();
  }
}

/** Images [samples, height, width, 3] in [-1, 1], as models of pixels draw them, as images of bytes. */
export function toImages(pixels: HostTensor): RgbImage[] {
  if (pixels.shape.length !== 4 || pixels.shape[3] !== 3)
    throw new UserError({
      code: 'not-images',
      message: `Images have the shape [samples, height, width, 3]; [${pixels.shape.join(', ')}] was found.`,
      remedy: 'For latents of an autoencoder: `new Decoder(autoencoder, samples).decode(latents)`.',
    });
  return imagesOf(pixels);
}

/**
 * Reads an image file, or its bytes, and brings it to one size as the `images` stage does: the middle square, resized.
 *
 * @throws UserError `image-unreadable`
 */
export async function prepareImage(
  source: string | Uint8Array,
  size: number,
  { background = '#ffffff', orientation }: { background?: string; orientation?: 'ignore' | 'apply' } = {},
): Promise<RgbImage> {
  if (!Number.isSafeInteger(size) || size < 1)
    throw invalid(`\`size\` must be a whole number of pixels from 1 on; ${String(size)} was found.`);
  const isPath = typeof source === 'string';
  if (!(source instanceof Uint8Array)) mustBePath(source, 'An image');
  const file = isPath
    ? await readInput(source).catch((error: unknown) => {
        throw asUserError(error, source);
      })
    : Buffer.from(source);
  const image = await decodeBytes(file, isPath ? source : 'The image', { background, orientation });
  return { width: size, height: size, data: centreCrop(image, size) };
}

/** Mean and deviation of what each image becomes: latents of an autoencoder, or its pixels. */
async function posteriors(
  images: readonly LabelledImage[],
  autoencoder: Autoencoder | undefined,
): Promise<readonly { mean: Float32Array; std: Float32Array; label: number }[]> {
  const found = [];
  for (const { data, width, label } of images) {
    const pixels = new Float32Array(data.length);
    toPixels(data, width, pixels, 0);
    if (!autoencoder) {
      found.push({ mean: pixels, std: new Float32Array(pixels.length), label });
      continue;
    }
    const { mean, logVariance } = await autoencoder.encode(float32([1, width, width, 3], pixels));
    const std = floats(logVariance).map((value) => Math.exp(value / 2));
    found.push({ mean: floats(mean), std, label });
  }
  return found;
}

/** Mean and deviation of each channel, the last axis of all values. */
function statistics(values: readonly Float32Array[], channels: number): Normalization {
  const sums = Array.from({ length: channels }, () => ({ count: 0, sum: 0, squares: 0 }));
  for (const each of values)
    each.forEach((value, i) => {
      const channel = sums[i % channels]!;
      channel.count++;
      channel.sum += value;
      channel.squares += value ** 2;
    });
  return {
    mean: sums.map(({ sum, count }) => sum / count),
    std: sums.map(({ sum, squares, count }) =>
      Math.max(1e-6, Math.sqrt(Math.max(0, squares / count - (sum / count) ** 2))),
    ),
  };
}

function channelsOf({ channels }: SiTOptions, autoencoder: Autoencoder | undefined): number {
  const expected = autoencoder?.config.latentChannels ?? 3;
  if (channels !== undefined && channels !== expected)
    throw invalid(
      `\`channels\` must be ${expected}, as ${autoencoder ? 'the latents of the autoencoder have' : 'pixels have'}; ${channels} was found.`,
    );
  return expected;
}

function checkOptions(options: TrainOptions, numbers: Record<'steps' | 'batch' | 'seed', number>): void {
  const unknown = Object.keys(options).filter((name) => !Object.hasOwn(optionNames, name));
  if (unknown.length > 0)
    throw invalid(`there is no option ${unknown.map((name) => `\`${name}\``).join(', ')}.`);
  const { seed, ...counts } = numbers;
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw invalid(`\`seed\` must be a whole number from 0 on; ${String(seed)} was found.`);
  for (const [name, value] of Object.entries(counts))
    if (!Number.isSafeInteger(value) || value < 1)
      throw invalid(`\`${name}\` must be a whole number from 1 on; ${String(value)} was found.`);
}

function checkImages(images: readonly LabelledImage[], side: number, classes: number): void {
  if (images.length === 0) throw invalid('there are no images.');
  for (const [i, { width, height, data, label }] of images.entries()) {
    if (width !== side || height !== side || data.length !== side * side * 3)
      throw invalid(
        `image ${i} must have ${side} × ${side} pixels of 3 bytes; ${width} × ${height} in ${data.length} bytes were found.`,
        'Bring it to that size: `prepareImage(file, size)`.',
      );
    if (!Number.isInteger(label) || label < 0 || label >= classes)
      throw invalid(`the label of image ${i} must be 0 to ${classes - 1}; ${String(label)} was found.`);
  }
}

const invalid = (problem: string, remedy?: string): UserError =>
  new UserError({
    code: 'training-options',
    message: `Nothing can be trained: ${problem}`,
    ...(remedy !== undefined && { remedy }),
  });
