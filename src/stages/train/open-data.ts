import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { writeFileWhole } from '../../base/output-file.js';
import { openTogether } from '../../base/resources.js';
import { DamagedRecord, readRecord, sealJson, tellDamaged, unsealJson } from '../../base/sealed.js';
import type { CropNumbers } from '../../data/images/crop.js';
import type { ImageDataset } from '../../data/images/dataset.js';
import { toPixels } from '../../data/images/rgb-image.js';
import type { LatentBatch, LatentDataset } from '../../data/latents/dataset.js';
import { type Draw, flippableClasses } from '../../data/sample-order.js';
import type { TrainConfig } from '../../generated/index.js';
import { downsampleOf } from '../../models/autoencoder-kl/config.js';
import type { StageContext } from '../../runner/stage.js';
import { float32, floats } from '../../tensorflow/data-types.js';
import type { Normalization } from '../../training/diffusion-loss.js';
import type { ModelDescription } from '../../weights/model-source.js';
import { Autoencoder } from '../../weights/saved-autoencoder.js';
import { openImages } from '../images/open.js';
import { openLatents } from '../latents/open.js';
import type { PlacedDraw, TrainingData } from './batches.js';

/**
 * Opens what a stage trains on: stored latents, or images with the autoencoder that encodes them.
 *
 * @param start the model to start from, whose normalization is taken where it knows latents of as many channels; without
 *   it what the autoencoder asks for, or else the statistics of the latents
 */
export async function openTrainingData(
  config: TrainConfig,
  context: StageContext,
  start?: Pick<ModelDescription, 'config' | 'normalization'>,
): Promise<TrainingData> {
  const normalizationOf = (channels: number) =>
    start?.config.channels === channels ? start.normalization : undefined;
  if (config.latents !== undefined)
    return storedLatents(await openLatents(config.latents, context), normalizationOf);
  const images = await openImages(config.images!, context);
  const { directory } = context.input(config.autoencoder!);
  return openTogether(async (keep) => {
    const autoencoder = keep(await Autoencoder.open(directory, context.runtime));
    const data = new EncodedImages(images, autoencoder, { ...config, seed: context.seed });
    const { count, shape, classes, labels, readingBytes } = data;
    return {
      ...{ count, shape, classes, labels, readingBytes },
      own: autoencoder.normalization,
      normalization:
        normalizationOf(shape[2]) ??
        autoencoder.normalization ??
        (await keptMeasurement(data, context.directory)),
      isMirrored: (draw) => data.isMirrored(draw),
      read: (draws, out) => data.read(draws, out),
      close: () => data.close(),
    };
  });
}

/** Statistics of latents, measured once and kept for sessions that go on. */
export async function keptMeasurement(
  data: Pick<TrainingData, 'count' | 'shape' | 'read'>,
  directory: string,
): Promise<Normalization> {
  const path = join(directory, 'latent-statistics.json');
  try {
    const text = await readRecord(path);
    if (text !== undefined) {
      const { mean, std } = unsealJson(text);
      if (!Array.isArray(mean) || !Array.isArray(std)) throw new DamagedRecord('is not of the expected form');
      return { mean, std };
    }
  } catch (error) {
    if (!(error instanceof DamagedRecord)) throw error;
    tellDamaged(path, error, 'the latents are measured again');
  }
  const statistics = await measureLatents(data);
  await writeFileWhole(path, sealJson(statistics));
  return statistics;
}

/**
 * Latents that an `encode` or `latents` stage has left.
 *
 * @param given how they are normalised, by their channels, where not by their own statistics
 */
function storedLatents(
  latents: LatentDataset,
  given: (channels: number) => Normalization | undefined = () => undefined,
): TrainingData {
  const { count, shape, classes, labels, index } = latents;
  return {
    count,
    shape,
    classes,
    labels,
    own: index.normalization,
    normalization: given(shape[2]) ?? index.normalization,
    statistics: index.statistics,
    readingBytes: 0,
    isMirrored: ({ index, flipped }) => flipped && latents.hasFlipped[index] === 1,
    read: (draws, out) =>
      latents.readBatch(
        draws.map((draw) => draw.index),
        out,
        draws.map(({ flipped }) => flipped),
      ),
    close: () => latents.close(),
  };
}

/** Images that the autoencoder takes at once: of any number as many pixels as 16 images of 256 by 256 have, or one. */
const pixelsAtOnce = 16 * 256 * 256;

/** Images of a size that the autoencoder takes at once. */
export const encodedAtOnce = (size: number): number => Math.max(1, Math.floor(pixelsAtOnce / size ** 2));

export type EncodedImagesOptions = Pick<TrainConfig, 'flips' | 'crop'> & { readonly seed: number };

/**
 * Images that are cropped, mirrored and encoded anew each time they are drawn. The crop is a function of the seed and
 * the draw's position, as the mirroring is; images are encoded in groups by their place in the batch, so that a batch
 * is the same however often it is read.
 */
export class EncodedImages implements Omit<TrainingData, 'normalization'> {
  readonly shape: readonly [number, number, number];
  private readonly flippable: readonly boolean[];
  private encoding: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly images: ImageDataset,
    private readonly autoencoder: Autoencoder,
    private readonly options: EncodedImagesOptions,
  ) {
    const side = images.size / downsampleOf(autoencoder.config);
    this.shape = [side, side, autoencoder.config.latentChannels];
    this.flippable = flippableClasses(options.flips, images.classes);
  }

  get count(): number {
    return this.images.count;
  }

  get readingBytes(): number {
    return this.autoencoder.encodingBytes(this.imagesAtOnce, this.images.size);
  }

  get classes(): readonly string[] {
    return this.images.classes;
  }

  get labels(): Int32Array {
    return this.images.labels;
  }

  isMirrored({ index, flipped }: Draw): boolean {
    return flipped && this.flippable[this.labels[index]!] === true;
  }

  async read(draws: readonly PlacedDraw[], { mean, std }: LatentBatch): Promise<void> {
    const group = this.imagesAtOnce;
    const each = this.shape[0] * this.shape[1] * this.shape[2];
    for (let first = 0; first < draws.length; first += group) {
      const pixels = await this.pixels(draws.slice(first, first + group));
      const posterior = await this.inTurn(() => this.autoencoder.encode(pixels));
      mean.set(floats(posterior.mean), first * each);
      std.set(
        floats(posterior.logVariance).map((value) => Math.exp(value / 2)),
        first * each,
      );
    }
  }

  close(): Promise<void> {
    return this.autoencoder.close();
  }

  private get imagesAtOnce(): number {
    return encodedAtOnce(this.images.size);
  }

  private async pixels(draws: readonly PlacedDraw[]) {
    const { size } = this.images;
    const length = size * size * 3;
    const pixels = new Float32Array(draws.length * length);
    await Promise.all(
      draws.map(async (draw, i) => {
        const mirrored = this.isMirrored(draw);
        const numbers =
          this.options.crop === 'centre' ? undefined : cropNumbers(this.options.seed, draw.position);
        await this.images.with(
          draw.index,
          (bytes) => {
            toPixels(bytes, size, pixels, i * length, mirrored);
          },
          numbers,
        );
      }),
    );
    return float32([draws.length, size, size, 3], pixels);
  }

  /** Batches that are read ahead at the same time wait for each other here: the autoencoder's memory is needed once. */
  private inTurn<T>(encode: () => Promise<T>): Promise<T> {
    const turn = this.encoding.then(encode);
    this.encoding = turn.catch(() => undefined);
    return turn;
  }
}

/** Images that the statistics of latents are measured on, where there are that many. */
export const statisticsCount = 1024;
const measuredAtOnce = 16;

/** Mean and deviation of every channel of latents drawn from the posteriors of images spread over the set. */
export async function measureLatents(
  data: Pick<TrainingData, 'count' | 'shape' | 'read'>,
): Promise<Normalization> {
  const [height, width, channels] = data.shape;
  const images = Math.min(statisticsCount, data.count);
  const sums = { first: new Array<number>(channels).fill(0), second: new Array<number>(channels).fill(0) };
  for (let first = 0; first < images; first += measuredAtOnce) {
    const draws = Array.from({ length: Math.min(measuredAtOnce, images - first) }, (_, i) => {
      const index = Math.floor(((first + i + 0.5) * data.count) / images);
      return { index, flipped: false, position: first + i };
    });
    const size = draws.length * height * width * channels;
    const out = { mean: new Float32Array(size), std: new Float32Array(size) };
    await data.read(draws, out);
    out.mean.forEach((mean, at) => {
      sums.first[at % channels]! += mean;
      sums.second[at % channels]! += mean ** 2 + out.std[at]! ** 2;
    });
  }
  const values = images * height * width;
  const mean = sums.first.map((sum) => sum / values);
  return { mean, std: sums.second.map((sum, i) => Math.sqrt(Math.max(0, sum / values - mean[i]! ** 2))) };
}

function cropNumbers(seed: number, position: number): CropNumbers {
  const hash = createHash('sha256').update(`${seed}/crop/${position}`).digest();
  return [0, 4, 8].map((offset) => hash.readUInt32LE(offset) / 2 ** 32) as unknown as CropNumbers;
}
