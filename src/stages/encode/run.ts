import { concat, concatMap, defer, finalize, from, mergeMap, type Observable } from 'rxjs';
import { integers, prefetch } from '../../base/prefetch.js';
import { abortable, progress } from '../../base/streams.js';
import type { ImageDataset } from '../../data/images/dataset.js';
import { toPixels } from '../../data/images/rgb-image.js';
import { type LatentSample, LatentWriter, type Posterior } from '../../data/latents/writer.js';
import { flippableClasses } from '../../data/sample-order.js';
import type { EncodeConfig } from '../../generated/index.js';
import { downsampleOf } from '../../models/autoencoder-kl/config.js';
import type { StageContext, StageEvent, StageProgress } from '../../runner/stage.js';
import { float32, floats, type HostTensor } from '../../tensorflow/data-types.js';
import { scaledNormalization } from '../../weights/model-source.js';
import { Autoencoder } from '../../weights/saved-autoencoder.js';
import { openImages } from '../images/open.js';
import { onEngine } from '../shared/engine.js';

/** Batches that are decoded from their files ahead of the network. */
const batchesAhead = 3;

/** Encodes images to posteriors over latents, once, so that training need not. */
export function run(config: EncodeConfig, context: StageContext): Observable<StageEvent> {
  return onEngine(context, () =>
    from(EncodeJob.open(config, context)).pipe(mergeMap((job) => encodeAll(job, context))),
  );
}

function encodeAll(job: EncodeJob, context: StageContext): Observable<StageEvent> {
  return concat(
    prefetch(
      integers(job.firstBatch, job.batches),
      batchesAhead,
      (batch) => job.load(batch),
      (batch) => defer(() => job.encode(batch)),
    ).pipe(
      concatMap((samples) => job.append(samples)),
      progress({ total: job.images.count, unit: 'images', start: job.start, count: (written) => written }),
      abortable<StageProgress>(context.signal),
    ),
    defer(() => job.finish()),
  ).pipe(finalize(() => void job.close()));
}

/** Pixels of a batch's images, straight and mirrored ones in one tensor. */
interface PixelBatch {
  readonly indices: readonly number[];
  readonly pixels: HostTensor;
  /** Row of each image's mirrored variant in `pixels`; undefined where it has none. */
  readonly mirroredRows: readonly (number | undefined)[];
}

class EncodeJob {
  readonly start: number;
  private readonly flippable: readonly boolean[];

  private constructor(
    private readonly config: EncodeConfig,
    readonly images: ImageDataset,
    private readonly autoencoder: Autoencoder,
    private readonly writer: LatentWriter,
  ) {
    this.start = writer.count;
    this.flippable = flippableClasses(config.flips, images.classes);
  }

  static async open(config: EncodeConfig, context: StageContext): Promise<EncodeJob> {
    const images = await openImages(config.images, context);
    const autoencoder = await Autoencoder.open(
      context.input(config.autoencoder).directory,
      context.runtime,
      config.autoencoderMemoryMiB,
    );
    const side = images.size / downsampleOf(autoencoder.config);
    const writer = await LatentWriter.open(context.directory, {
      shape: [side, side, autoencoder.config.latentChannels],
      dtype: config.dtype,
      classes: images.classes,
      shardSize: config.shardSize,
    });
    return new EncodeJob(config, images, autoencoder, writer);
  }

  /**
   * The batch to go on with, which may begin before the first image that is not there yet: batches are the same whatever
   * was interrupted, as another one would round the last bits otherwise.
   */
  get firstBatch(): number {
    return Math.floor(this.start / this.config.batch);
  }

  get batches(): number {
    return Math.ceil(this.images.count / this.config.batch);
  }

  async load(batch: number): Promise<PixelBatch> {
    const { size, labels, count } = this.images;
    const first = batch * this.config.batch;
    const indices = Array.from({ length: Math.min(this.config.batch, count - first) }, (_, i) => first + i);
    let rows = indices.length;
    const mirroredRows = indices.map((index) =>
      this.flippable[labels[index]!] === true ? rows++ : undefined,
    );
    const length = size * size * 3;
    const pixels = new Float32Array(rows * length);
    await Promise.all(
      indices.map(async (index, i) => {
        const bytes = await this.images.read(index);
        toPixels(bytes, size, pixels, i * length);
        const row = mirroredRows[i];
        if (row !== undefined) toPixels(bytes, size, pixels, row * length, true);
      }),
    );
    return { indices, pixels: float32([rows, size, size, 3], pixels), mirroredRows };
  }

  async encode({ indices, pixels, mirroredRows }: PixelBatch): Promise<LatentSample[]> {
    const { mean, logVariance } = await this.autoencoder.encode(pixels);
    const posterior = (row: number): Posterior => ({
      mean: rowOf(mean, row),
      std: rowOf(logVariance, row).map((value) => Math.exp(value / 2)),
    });
    return indices.flatMap((index, i) => {
      if (index < this.start) return [];
      const row = mirroredRows[i];
      const label = this.images.labels[index]!;
      return [{ ...posterior(i), label, ...(row === undefined ? {} : { flipped: posterior(row) }) }];
    });
  }

  /** Appends samples; returns how many. */
  async append(samples: readonly LatentSample[]): Promise<number> {
    for (const sample of samples) await this.writer.append(sample);
    return samples.length;
  }

  async finish(): Promise<StageEvent> {
    const { latentChannels } = this.autoencoder.config;
    const { scalingFactor } = this.autoencoder;
    const { count, shape, statistics } = await this.writer.finish(
      scalingFactor === undefined ? undefined : scaledNormalization(latentChannels, scalingFactor),
    );
    return { type: 'summary', values: { latents: count, shape, mean: statistics.mean, std: statistics.std } };
  }

  close(): Promise<void> {
    return this.autoencoder.close();
  }
}

function rowOf(tensor: HostTensor, row: number): Float32Array {
  const length = tensor.data.length / tensor.shape[0]!;
  return floats(tensor).slice(row * length, (row + 1) * length);
}
