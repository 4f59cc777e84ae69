import { join, relative, resolve } from 'node:path';
import { concat, defer, EMPTY, finalize, from, mergeMap, type Observable } from 'rxjs';
import { abortable, everyMs, fromWork } from '../../base/streams.js';
import type { ImageDataset } from '../../data/images/dataset.js';
import { imageGrid, writePng } from '../../data/images/png.js';
import { type RgbImage, toBytes, toPixels } from '../../data/images/rgb-image.js';
import { balancedOrder, flippableClasses, shuffledOrder } from '../../data/sample-order.js';
import type { AutoencoderConfig as StageConfig, PretrainedAutoencoderConfig } from '../../generated/index.js';
import { autoencoderLoss } from '../../models/autoencoder-kl/autoencoder-kl.js';
import { downsampleOf, noAutoencoder, pixels } from '../../models/autoencoder-kl/config.js';
import type { AutoencoderConfig } from '../../models/autoencoder-kl/config.js';
import { reconstructedImages } from '../../models/autoencoder-kl/gpu-memory.js';
import { autoencoderParameters } from '../../models/autoencoder-kl/parameters.js';
import { madeValues } from '../../nn/parameters.js';
import { isProgress, type StageContext, type StageEvent } from '../../runner/stage.js';
import { float32, int32, openSession, streamKey } from '../../tensorflow/index.js';
import type { HostTensor, ProgramSession, Tensor1D, Tensor4D, TensorSpec } from '../../tensorflow/index.js';
import { checkpointPath, groupPath } from '../../training/checkpoint.js';
import { openTrainer } from '../../training/open-trainer.js';
import { checkpointSchedule } from '../../training/schedule.js';
import type { Trainer } from '../../training/trainer.js';
import { autoencoderPlace, downloadAutoencoder } from '../../weights/autoencoder-download.js';
import { openAutoencoderSource } from '../../weights/autoencoder-source.js';
import { Autoencoder } from '../../weights/saved-autoencoder.js';
import { writeSavedAutoencoder } from '../../weights/saved-files.js';
import { writeAutoencoder } from '../../weights/write.js';
import { openImages } from '../images/open.js';
import { writeSafetensors } from '../../formats/safetensors/writer.js';
import { commitOf } from '../../formats/hub/repository.js';
import { downloadProgress } from '../pretrained/place.js';
import { batchShare, type BatchShare, isFirstWorker, onEngine, workerServer } from '../shared/engine.js';
import { toMegabytes } from '../shared/memory.js';
import { checkpointFolder, type TrainingJob, trainingSteps } from '../training/stream.js';
import { modelConfig } from './config.js';
import { expectedMemory } from './facts.js';

/** Trains an AutoencoderKL from scratch on images, or takes a trained one. */
export function run(
  config: StageConfig | PretrainedAutoencoderConfig,
  context: StageContext,
): Observable<StageEvent> {
  if ('weights' in config) return isFirstWorker(context) ? takeAutoencoder(config, context) : EMPTY;
  return onEngine(context, () =>
    from(openImages(config.images, context)).pipe(mergeMap((images) => train(config, images, context))),
  );
}

function train(config: StageConfig, images: ImageDataset, context: StageContext): Observable<StageEvent> {
  return defer(() => {
    const model = modelConfig(config);
    const session = openSession(context.runtime, workerServer(context));
    const job = trainingJob(config, model, images, session, context);
    return concat(
      trainingSteps(job, context),
      isFirstWorker(context) ? defer(() => finishAutoencoder(config, model, images, context)) : EMPTY,
    ).pipe(finalize(() => void session.close()));
  });
}

function trainingJob(
  config: StageConfig,
  model: AutoencoderConfig,
  images: ImageDataset,
  session: ProgramSession,
  { seed, workers }: StageContext,
): TrainingJob {
  const parameters = autoencoderParameters(model);
  const share = batchShare(config.batch, workers);
  const load = imageBatches(images, config, seed, share);
  return {
    trainer: autoencoderTrainer(config, model, session, share.size, images.size),
    start: (trainer) => trainer.start(madeValues(parameters, seed)),
    load: async (step) => ({
      images: await load(step),
      noiseKey: streamKey(seed, 'autoencoder noise', step),
      firstSample: int32([1], Int32Array.of(share.first)),
    }),
    schedule: {
      kind: config.schedule,
      learningRate: config.learningRate,
      warmupSteps: config.warmupSteps,
      totalSteps: config.steps,
    },
    logEverySteps: config.logEverySteps,
    records: { config: config.records, samples: config.batch },
    checkpoint: checkpointSchedule({ ...config.checkpoint, keepLast: 1 }),
  };
}

/** Shapes and types of a step's inputs. */
export const inputSpecs = (batch: number, size: number): Readonly<Record<string, TensorSpec>> => ({
  images: { dtype: 'float32', shape: [batch, size, size, 3] },
  noiseKey: { dtype: 'int32', shape: [2] },
  firstSample: { dtype: 'int32', shape: [1] },
});

/** The trainer of an autoencoder on batches of images of some size. */
export function autoencoderTrainer(
  config: StageConfig,
  model: AutoencoderConfig,
  session: ProgramSession,
  batch: number,
  size: number,
): Trainer {
  return openTrainer(session, {
    parameters: autoencoderParameters(model),
    inputs: inputSpecs(batch, size),
    loss: ({ images, noiseKey, firstSample }, weights) =>
      autoencoderLoss(
        weights,
        model,
        {
          images: images as Tensor4D,
          noiseKey: noiseKey as Tensor1D,
          firstSample: firstSample as Tensor1D,
        },
        config.klWeight,
      ),
    optimizer: { betas: [0.9, 0.99], epsilon: 1e-8, weightDecay: 0 },
    averageDecays: [config.ema],
    gradientClip: config.gradientClip,
  });
}

/**
 * Gives the images of a step, [share, size, size, 3] in [-1, 1].
 *
 * @param share which images of the batch are wanted
 */
export function imageBatches(
  images: ImageDataset,
  { batch, classSampling, flips }: Pick<StageConfig, 'batch' | 'classSampling' | 'flips'>,
  seed: number,
  share: BatchShare,
): (step: number) => Promise<HostTensor> {
  const order =
    classSampling === 'balanced' ? balancedOrder(seed, images.labels) : shuffledOrder(seed, images.count);
  const flippable = flippableClasses(flips, images.classes);
  const { size } = images;
  return async (step) => {
    const pixels = new Float32Array(share.size * size * size * 3);
    const draws = Array.from({ length: share.size }, (_, i) => order.at(step * batch + share.first + i));
    await Promise.all(
      draws.map(async ({ index, flipped }, i) => {
        const mirrored = flipped && flippable[images.labels[index]!] === true;
        await images.with(index, (bytes) => {
          toPixels(bytes, size, pixels, i * size * size * 3, mirrored);
        });
      }),
    );
    return float32([share.size, size, size, 3], pixels);
  };
}

const columns = 16;

/** Writes the autoencoder's description and a picture of reconstructions, and tells how good they are. */
export async function finishAutoencoder(
  config: StageConfig,
  model: AutoencoderConfig,
  images: ImageDataset,
  context: StageContext,
): Promise<StageEvent> {
  const checkpoint = checkpointPath(checkpointFolder(context.directory), config.steps);
  const weights = relative(context.directory, groupPath(checkpoint, 'average'));
  await writeSavedAutoencoder(context.directory, { config: model, weights });
  const autoencoder = await Autoencoder.open(context.directory, context.runtime);
  try {
    const psnr = await reconstruct(autoencoder, images, join(context.directory, 'reconstructions.png'));
    return {
      type: 'summary',
      values: {
        steps: config.steps,
        latentChannels: model.latentChannels,
        downsample: downsampleOf(model),
        expectedMemoryMegabytes: toMegabytes(
          expectedMemory(model, images.size, batchShare(config.batch, context.workers).size, context.runtime),
        ),
        peakSignalToNoiseDb: Math.round(psnr * 100) / 100,
        picture: 'reconstructions.png',
      },
    };
  } finally {
    await autoencoder.close();
  }
}

/** Draws originals above their reconstructions; returns the peak signal-to-noise ratio in decibels. */
async function reconstruct(autoencoder: Autoencoder, images: ImageDataset, path: string): Promise<number> {
  const { size } = images;
  const count = Math.min(reconstructedImages, images.count);
  // Spread evenly over the set, and so over its classes.
  const chosen = Array.from({ length: count }, (_, i) => Math.floor(((i + 0.5) * images.count) / count));
  const originals = await Promise.all(chosen.map((index) => images.read(index)));
  const length = size * size * 3;
  const pixels = new Float32Array(count * length);
  originals.forEach((original, i) => {
    toPixels(original, size, pixels, i * length);
  });
  const { mean } = await autoencoder.encode(float32([count, size, size, 3], pixels));
  const decoded = toBytes((await autoencoder.decode(mean)).data as Float32Array);
  const reconstructions = originals.map((_, i) => decoded.subarray(i * length, (i + 1) * length));
  const image = (data: Uint8Array): RgbImage => ({ width: size, height: size, data });
  const rows = Array.from({ length: Math.ceil(count / columns) }, (_, row) => {
    const part = [row * columns, (row + 1) * columns] as const;
    return [...padded(originals.slice(...part)), ...padded(reconstructions.slice(...part))];
  });
  const blank = new Uint8Array(length).fill(255);
  const tiles = rows.flat().map((data) => image(data ?? blank));
  await writePng(path, imageGrid(tiles, { columns, scale: Math.max(1, Math.round(64 / size)) }));
  return peakSignalToNoise(originals, reconstructions);
}

function padded(row: readonly Uint8Array[]): (Uint8Array | undefined)[] {
  return Array.from({ length: columns }, (_, i) => row[i]);
}

function peakSignalToNoise(originals: readonly Uint8Array[], reconstructions: readonly Uint8Array[]): number {
  let squares = 0;
  let count = 0;
  originals.forEach((original, i) => {
    original.forEach((value, j) => (squares += (value - reconstructions[i]![j]!) ** 2));
    count += original.length;
  });
  return 10 * Math.log10(255 ** 2 / (squares / count));
}

/** Leaves what stands for an autoencoder where models train on pixels: a description, and no weights. */
async function takePixels(directory: string): Promise<StageEvent> {
  const { config, scalingFactor } = pixels;
  const weights = 'autoencoder.safetensors';
  await writeSafetensors(join(directory, weights), []);
  await writeSavedAutoencoder(directory, { config, weights, scalingFactor });
  const { latentChannels } = config;
  return { type: 'summary', values: { latentChannels, downsample: downsampleOf(config), scalingFactor } };
}

const progressEveryMs = 100;

type Config = PretrainedAutoencoderConfig;

/** Takes a trained autoencoder from a folder or from Hugging Face, and leaves what training one leaves. */
export function takeAutoencoder(config: Config, context: StageContext): Observable<StageEvent> {
  const { pins, directory, pipelineDirectory } = context;
  if (config.weights === noAutoencoder) return from(takePixels(directory));
  return fromWork<StageEvent>(async (tell, signal) => {
    const commit = pins?.weights && commitOf(pins.weights);
    const path =
      commit === undefined
        ? resolve(pipelineDirectory, config.weights)
        : await downloadAutoencoder(autoencoderPlace(config.weights)!, commit, {
            ...{ env: process.env, signal },
            onProgress: downloadProgress(tell),
          });
    const source = await openAutoencoderSource(path, config);
    try {
      await writeAutoencoder(source, directory, {
        signal,
        tell: (done, total) => {
          tell({ type: 'progress', done, total, unit: 'tensors' });
        },
      });
      const { config: model, scalingFactor, shiftFactor, told, doubts } = source;
      for (const message of told) tell({ type: 'notice', level: 'info', message });
      for (const message of doubts) tell({ type: 'notice', level: 'warning', message });
      tell({
        type: 'summary',
        values: {
          ...(commit !== undefined && { revision: commit }),
          latentChannels: model.latentChannels,
          downsample: downsampleOf(model),
          ...(scalingFactor !== undefined && { scalingFactor }),
          ...(shiftFactor !== undefined && { shiftFactor }),
        },
      });
    } finally {
      await source.close();
    }
  }).pipe(everyMs(progressEveryMs, isProgress), abortable<StageEvent>(context.signal));
}
