import {
  type Observable,
  Subject,
  concat,
  concatMap,
  defer,
  finalize,
  from,
  ignoreElements,
  merge,
  mergeMap,
  range,
} from 'rxjs';
import type { SampleConfig } from '../../config/generated/index.js';
import { toBytes } from '../../data/images/pixels.js';
import type { StageContext, StageEvent, StageProgress } from '../../pipeline/stage.js';
import { abortable, everyMs } from '../../streams/index.js';
import { floats, nativeBackend } from '../../tensorflow/index.js';
import { Autoencoder } from '../autoencoder/saved-autoencoder.js';
import { type SavedModel, readSavedModel } from '../train/saved-model.js';
import { sampleLabels } from './labels.js';
import { SampleFiles } from './sample-files.js';
import { type SampleBatch, Sampler } from './sampler.js';

const progressEveryMs = 100;

/** Draws images from a trained model. */
export function run(config: SampleConfig, context: StageContext): Observable<StageEvent> {
  return from(SampleJob.open(config, context)).pipe(mergeMap((job) => sampleAll(job, context)));
}

function sampleAll(job: SampleJob, context: StageContext): Observable<StageEvent> {
  const batches = range(0, job.batches).pipe(
    concatMap((batch) => defer(() => job.draw(batch, context.signal))),
    ignoreElements(),
    finalize(() => {
      job.progress.complete();
    }),
  );
  const progress = job.progress.pipe(everyMs(progressEveryMs));
  return concat(
    merge(progress, batches).pipe(abortable<StageEvent>(context.signal)),
    defer(() => job.finish()),
  ).pipe(finalize(() => void job.close()));
}

class SampleJob {
  readonly progress = new Subject<StageProgress>();
  private done = 0;

  private constructor(
    private readonly config: SampleConfig,
    private readonly model: SavedModel,
    private readonly labels: Int32Array,
    private readonly files: SampleFiles,
    private readonly sampler: Sampler,
    private readonly autoencoder: Autoencoder,
  ) {}

  static async open(config: SampleConfig, context: StageContext): Promise<SampleJob> {
    nativeBackend(context.runtime);
    const { directory } = context.input(config.model);
    const model = await readSavedModel(directory);
    const labels = sampleLabels(config, model.classes, context.seed);
    const files = new SampleFiles(context.directory);
    await files.prepare();
    return new SampleJob(
      config,
      model,
      labels,
      files,
      await Sampler.open(directory, model, config, context),
      await Autoencoder.open(context.input(config.autoencoder).directory, context.runtime),
    );
  }

  get batches(): number {
    return Math.ceil(this.labels.length / this.config.batch);
  }

  /** Draws a batch and writes its pictures, unless all of them are there. */
  async draw(batch: number, signal: AbortSignal): Promise<void> {
    const first = batch * this.config.batch;
    const labels = this.labels.slice(first, first + this.config.batch);
    const there = await Promise.all(Array.from(labels, (_, i) => this.files.has(first + i)));
    if (there.includes(false)) await this.make({ first, labels }, there, signal);
    this.done = first + labels.length;
    this.tell(0);
  }

  async finish(): Promise<StageEvent> {
    const { guidanceScale, sampler } = this.config;
    const size = await this.files.finish(this.labels, this.model.classes, {
      guidanceScale,
      steps: sampler.steps,
    });
    return {
      type: 'summary',
      values: { samples: this.labels.length, size, steps: sampler.steps, guidanceScale, picture: 'grid.png' },
    };
  }

  async close(): Promise<void> {
    await this.sampler.close();
    await this.autoencoder.close();
  }

  private async make(batch: SampleBatch, there: readonly boolean[], signal: AbortSignal): Promise<void> {
    let step = 0;
    const { length } = batch.labels;
    const latents = await this.sampler.sample(batch, signal, () => {
      this.tell((length * ++step) / (this.sampler.steps + 1));
    });
    const images = await this.autoencoder.decode(latents);
    const size = images.shape[1]!;
    const bytes = toBytes(floats(images));
    const each = size * size * 3;
    await Promise.all(
      there.map(async (isThere, i) => {
        const data = bytes.subarray(i * each, (i + 1) * each);
        if (!isThere) await this.files.write(batch.first + i, { width: size, height: size, data });
      }),
    );
  }

  /** Tells how many samples are done, those of the current batch counted by the steps they have taken. */
  private tell(partOfBatch: number): void {
    this.progress.next({
      type: 'progress',
      done: Math.floor(this.done + partOfBatch),
      total: this.labels.length,
      unit: 'samples',
    });
  }
}
