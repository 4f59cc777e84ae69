import { concat, concatMap, defer, finalize, from, mergeMap, type Observable } from 'rxjs';
import { integers, prefetch } from '../../base/prefetch.js';
import { abortable, progress } from '../../base/streams.js';
import type { ImageDataset } from '../../data/images/dataset.js';
import { toPixels } from '../../data/images/rgb-image.js';
import { type LatentSample, LatentWriter, type Posterior } from '../../data/latents/writer.js';
import { flippableClasses } from '../../data/sample-order.js';
import type { EncodeConfig } from '../../generated/index.js';
import { downsampleOf } from '../../models/autoencoder-kl/config.js';
import type { StageContext, StageEvent, StageProgress, StageWorkers } from '../../runner/stage.js';
import { float32, floats, type HostTensor } from '../../tensorflow/data-types.js';
import { Autoencoder } from '../../weights/saved-autoencoder.js';
import { openImages } from '../images/open.js';
import { onEngine, type Share, sharedOut, shareOf } from '../shared/engine.js';

/** Batches that are decoded from their files ahead of the network. */
const batchesAhead = 3;

/** Encodes images to posteriors over latents, once, so that training need not. */
export function run(config: EncodeConfig, context: StageContext): Observable<StageEvent> {
  return onEngine(context, () =>
    from(EncodeJob.open(config, context)).pipe(mergeMap((job) => encodeAll(job, context))),
  );
}

function encodeAll(job: EncodeJob, context: StageContext): Observable<StageEvent> {
  return sharedOut(
    context,
    (workers) => encodePart(job, context, workers),
    () => encodePart(job, context),
  ).pipe(finalize(() => void job.close()));
}

/** Encodes the images of a worker's share that are not there yet; or all, and then writes what belongs to the whole. */
function encodePart(
  job: EncodeJob,
  { directory, signal }: StageContext,
  worker?: StageWorkers,
): Observable<StageEvent> {
  return defer(() => EncodePart.open(job, directory, worker)).pipe(
    mergeMap((part) =>
      concat(
        prefetch(
          part.batches,
          batchesAhead,
          (batch) => job.load(batch),
          (batch) => defer(() => job.encode(batch)),
        ).pipe(
          concatMap((samples) => part.append(samples)),
          progress({
            total: job.images.count,
            unit: 'images',
            start: part.start,
            count: (written) => written,
          }),
          abortable<StageProgress>(signal),
        ),
        defer(() => part.finish()).pipe(mergeMap((events) => from(events))),
      ),
    ),
  );
}

/** Pixels of a batch's images, straight and mirrored ones in one tensor. */
interface PixelBatch {
  readonly indices: readonly number[];
  readonly pixels: HostTensor;
  /** Row of each image's mirrored variant in `pixels`; undefined where it has none. */
  readonly mirroredRows: readonly (number | undefined)[];
}

/** Reads images, and mirrors those of the classes for which that is wanted. */
export async function loadPixels(
  images: ImageDataset,
  flippable: readonly boolean[],
  indices: readonly number[],
): Promise<PixelBatch> {
  const { size, labels } = images;
  let rows = indices.length;
  const mirroredRows = indices.map((index) => (flippable[labels[index]!] === true ? rows++ : undefined));
  const length = size * size * 3;
  const pixels = new Float32Array(rows * length);
  await Promise.all(
    indices.map(async (index, i) => {
      const row = mirroredRows[i];
      await images.with(index, (bytes) => {
        toPixels(bytes, size, pixels, i * length);
        if (row !== undefined) toPixels(bytes, size, pixels, row * length, true);
      });
    }),
  );
  return { indices, pixels: float32([rows, size, size, 3], pixels), mirroredRows };
}

/** An encoded image, by its number. */
type EncodedImage = readonly [index: number, sample: LatentSample];

/** Images, and the network that encodes them. */
class EncodeJob {
  private readonly flippable: readonly boolean[];

  private constructor(
    readonly config: EncodeConfig,
    readonly images: ImageDataset,
    readonly autoencoder: Autoencoder,
  ) {
    this.flippable = flippableClasses(config.flips, images.classes);
  }

  static async open(config: EncodeConfig, context: StageContext): Promise<EncodeJob> {
    const images = await openImages(config.images, context, { memoryLimit: 0 });
    const autoencoder = await Autoencoder.open(
      context.input(config.autoencoder).directory,
      context.runtime,
      config.autoencoderMemoryMiB,
    );
    return new EncodeJob(config, images, autoencoder);
  }

  /** Number of batches. They are the same whatever was interrupted: others would round the last bits otherwise. */
  get batches(): number {
    return Math.ceil(this.images.count / this.config.batch);
  }

  load(batch: number): Promise<PixelBatch> {
    const first = batch * this.config.batch;
    const count = Math.min(this.config.batch, this.images.count - first);
    return loadPixels(this.images, this.flippable, [...integers(first, first + count)]);
  }

  async encode({ indices, pixels, mirroredRows }: PixelBatch): Promise<EncodedImage[]> {
    const { mean, logVariance } = await this.autoencoder.encode(pixels);
    const posterior = (row: number): Posterior => ({
      mean: rowOf(mean, row),
      std: rowOf(logVariance, row).map((value) => Math.exp(value / 2)),
    });
    return indices.map((index, i): EncodedImage => {
      const row = mirroredRows[i];
      const label = this.images.labels[index]!;
      return [index, { ...posterior(i), label, ...(row === undefined ? {} : { flipped: posterior(row) }) }];
    });
  }

  close(): Promise<void> {
    return this.autoencoder.close();
  }
}

/** Images that are encoded in one go: all, or a worker's share, but for those that are there. */
class EncodePart {
  readonly batches: readonly number[];
  /** Images that are told of as done from the beginning. */
  readonly start: number;
  /** Images of this part, and those of them that are there. */
  private readonly size: number;
  private done: number;

  private constructor(
    private readonly job: EncodeJob,
    private readonly writer: LatentWriter,
    private readonly worker: StageWorkers | undefined,
    { first, end }: Share,
  ) {
    const missingOf = (batch: number): number =>
      this.imagesOf(batch).filter((index) => !writer.has(index)).length;
    this.batches = [...integers(first, end)].filter((batch) => missingOf(batch) > 0);
    this.size = Math.min(end * job.config.batch, job.images.count) - first * job.config.batch;
    this.done = this.size - this.batches.reduce((sum, batch) => sum + missingOf(batch), 0);
    this.start = this.told();
  }

  static async open(job: EncodeJob, directory: string, worker?: StageWorkers): Promise<EncodePart> {
    const { config, images, autoencoder, batches } = job;
    const side = images.size / downsampleOf(autoencoder.config);
    const format = {
      shape: [side, side, autoencoder.config.latentChannels],
      dtype: config.dtype,
      classes: images.classes,
      shardSize: config.shardSize,
    } as const;
    const share = worker === undefined ? { first: 0, end: batches } : shareOf(batches, worker);
    const samples = worker && {
      first: share.first * config.batch,
      end: Math.min(share.end * config.batch, images.count),
    };
    return new EncodePart(job, await LatentWriter.open(directory, format, samples), worker, share);
  }

  /** Appends what is not there; returns how many images further that brings all workers. */
  async append(images: readonly EncodedImage[]): Promise<number> {
    const before = this.told();
    for (const [index, sample] of images)
      if (!this.writer.has(index)) {
        await this.writer.append(index, sample);
        this.done++;
      }
    return this.told() - before;
  }

  async finish(): Promise<StageEvent[]> {
    if (this.worker !== undefined) {
      await this.writer.endShare();
      return [];
    }
    const { normalization } = this.job.autoencoder;
    const { count, shape, statistics } = await this.writer.finish(normalization);
    return [
      { type: 'summary', values: { latents: count, shape, mean: statistics.mean, std: statistics.std } },
    ];
  }

  /** Images done of all: the others are taken to be as far in their shares as this one. */
  private told(): number {
    return this.size === 0 ? 0 : Math.floor((this.done * this.job.images.count) / this.size);
  }

  private imagesOf(batch: number): number[] {
    const { config, images } = this.job;
    return [...integers(batch * config.batch, Math.min((batch + 1) * config.batch, images.count))];
  }
}

function rowOf(tensor: HostTensor, row: number): Float32Array {
  const length = tensor.data.length / tensor.shape[0]!;
  return floats(tensor).slice(row * length, (row + 1) * length);
}
