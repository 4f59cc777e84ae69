import { join } from 'node:path';
import { Subject } from 'rxjs';
import { UserError } from '../../base/errors.js';
import { openTogether } from '../../base/resources.js';
import { writeFileWhole } from '../../base/output-file.js';
import type { SampleConfig } from '../../generated/index.js';
import type { Json, StageContext, StageEvent, StageProgress, StageWorkers } from '../../runner/stage.js';
import { pathStepsOf, takeRows } from '../../sampling/index.js';
import { floats, type HostTensor, sizeOf } from '../../tensorflow/index.js';
import { differentScale } from '../../weights/model-source.js';
import { rebuiltAverage } from '../../weights/model-weights.js';
import { Autoencoder } from '../../weights/saved-autoencoder.js';
import { readSavedAutoencoder } from '../../weights/saved-files.js';
import { openLatents } from '../latents/open.js';
import { peakBytes } from '../shared/engine.js';
import { computingGpu, toMegabytes } from '../shared/memory.js';
import { Decoder } from './decoder.js';
import { NoiseFiles, SampleFiles, writeGrid } from './files.js';
import { ImageLatents } from './images-latents.js';
import { sampleLabels } from './labels.js';
import { expectedMemory, requireSamplingMemory, type SampledModels } from './memory.js';
import { findModels, type FoundModels, openSampler } from './models.js';
import { type RunnablePlan, runnablePlan } from './plan.js';
import { type SampleRecord, SampleRecords } from './records.js';
import { batchesOfWorker, missingBatches } from './sampler.js';
import type { DrawnBatch, SampleBatch, Sampler } from './sampler.js';
import { savedFraction, switchSteps, writeSwitches } from './switches.js';
import { type Snapshots, SnapshotTaker, TrajectoryFiles, trajectorySteps } from './trajectory.js';

/** A batch whose latents are drawn and whose pictures are not written yet. */
export interface Drawn {
  readonly batch: SampleBatch;
  readonly drawn: DrawnBatch;
  readonly snapshots: Snapshots;
  /** Latents of images that it was drawn from. */
  readonly data?: HostTensor;
}

/** One run of the stage. */
export class SampleJob {
  readonly progress = new Subject<StageProgress>();
  private done = 0;

  private constructor(
    private readonly plan: RunnablePlan,
    private readonly context: StageContext,
    private readonly models: FoundModels,
    private readonly labels: Int32Array,
    private readonly sampler: Sampler,
    private readonly autoencoder: Autoencoder,
    private readonly images: ImageLatents | undefined,
    private readonly expectedMemory: number,
    private readonly config = plan.config,
    private readonly files = new SampleFiles(context.directory, config.count),
    private readonly records = new SampleRecords(context.directory, context.workers?.rank),
    private readonly noise = config.reverse === undefined
      ? undefined
      : new NoiseFiles(context.directory, config.count),
    private readonly trajectories = config.trajectory &&
      new TrajectoryFiles(context.directory, config.trajectory.samples),
  ) {}

  static async open(config: SampleConfig, context: StageContext): Promise<SampleJob> {
    const plan = runnablePlan(config);
    const models = await findModels(plan, context);
    const workers = context.workers?.size ?? 1;
    const sampled = await sampledModels(config, models, context);
    const gpu = computingGpu(context.runtime);
    requireSamplingMemory(plan, sampled, workers, gpu);
    const [{ saved }] = models.phases as [FoundModels['phases'][number]];
    return openTogether(async (keep) => {
      const images =
        config.reverse === undefined
          ? undefined
          : ImageLatents.open(
              keep(await openLatents(config.reverse, context)),
              config.count,
              models.phases[0]!,
            );
      const labels = images?.labels(config.count) ?? sampleLabels(config, saved.classes, context.seed);
      const sampler = keep(await openSampler(plan, models, context));
      const autoencoder = keep(
        await Autoencoder.open(
          context.input(config.autoencoder).directory,
          context.runtime,
          config.autoencoderMemoryMiB,
        ),
      );
      const expected = expectedMemory(plan, sampled, workers, gpu);
      const job = new SampleJob(plan, context, models, labels, sampler, autoencoder, images, expected);
      await job.files.prepare();
      await job.records.open();
      await job.noise?.prepare();
      await job.trajectories?.prepare();
      return job;
    });
  }

  /** Doubts about what goes together here, told once. */
  notices(): readonly StageEvent[] {
    const { autoencoder, models, config, context } = this;
    const [{ stage, saved }] = models.phases as [FoundModels['phases'][number]];
    const message = differentScale(stage, saved.normalization, config.autoencoder, autoencoder.normalization);
    return message === undefined || (context.workers?.rank ?? 0) > 0
      ? []
      : [{ type: 'notice', level: 'warning', message }];
  }

  /** Lists the batches that are still to be made: all, or those of a worker. */
  async missing(worker?: StageWorkers): Promise<SampleBatch[]> {
    await this.records.read();
    const whole = new Set(await this.files.present());
    for (const sample of whole) if (!(await this.isRecorded(sample))) whole.delete(sample);
    this.done = whole.size;
    this.tell(0);
    const batches = missingBatches(this.labels, this.config.batch, (sample) => whole.has(sample));
    return worker === undefined ? batches : batchesOfWorker(batches, this.config.batch, worker);
  }

  /** Draws a batch's latents. */
  async draw(batch: SampleBatch): Promise<Drawn> {
    const { signal } = this.context;
    const { length } = batch.rows;
    const watched = batch.rows.flatMap((row, i) => (this.trajectories?.wants(batch.first + row) ? [i] : []));
    const total = pathStepsOf(this.plan.settings);
    const steps = new Set(this.config.trajectory && trajectorySteps(this.config.trajectory.steps, total));
    const taker = new SnapshotTaker(watched, steps);
    const options = {
      signal,
      onState: taker.take,
      onProgress: (share: number) => {
        this.tell(length * share * (this.context.workers?.size ?? 1));
      },
    };
    const data = await this.images?.read(batch);
    const drawn =
      data === undefined
        ? await this.sampler.draw(batch, options)
        : await this.sampler.redraw(batch, data, options);
    this.done += length * (this.context.workers?.size ?? 1);
    this.tell(0);
    return { batch, drawn, snapshots: taker.snapshots, ...(data && { data }) };
  }

  /** Decodes a batch and writes its pictures, then its records. */
  async write({ batch, drawn, snapshots, data }: Drawn): Promise<void> {
    const decoder = new Decoder(this.autoencoder, batch.size);
    const sampleOf = (i: number) => batch.first + batch.rows[i]!;
    const images = await decoder.decode(drawn.latents);
    await Promise.all(images.map((image, i) => this.files.write(sampleOf(i), image)));
    for (const [i, states] of snapshots) {
      const pictures: Awaited<ReturnType<Decoder['decode']>> = [];
      for (const state of states) pictures.push(...(await decoder.decode(this.sampler.denormalised(state))));
      await this.trajectories!.write(sampleOf(i), pictures);
    }
    if (drawn.noise)
      for (const i of batch.rows.keys())
        await this.noise!.write(sampleOf(i), floats(takeRows(drawn.noise, [i])));
    if (this.keepsRecords)
      await this.records.add(batch.rows.map((_, i) => this.recordOf(i, sampleOf(i), drawn, data)));
  }

  /** Forgets a sample whose picture turned out to be damaged. */
  async discard(sample: number): Promise<void> {
    await this.files.remove(sample);
  }

  /** @throws DamagedSample */
  async finish(): Promise<StageEvent> {
    const { config, context, labels } = this;
    const { directory } = context;
    const size = await this.files.writeNpz();
    await writeGrid(directory, this.files, labels, size);
    await this.trajectories?.finish();
    const facts = await this.measurements();
    const guidanceScale = this.plan.acting?.scale ?? 1;
    const { classes } = this.models.phases[0]!.saved;
    const { steps } = config.sampler;
    const index = { size, classes, labels: [...labels], guidanceScale, steps };
    await writeFileWhole(join(directory, 'samples.json'), `${JSON.stringify(index)}\n`);
    await this.records.remove();
    const values = { samples: labels.length, size, steps, guidanceScale, ...facts, picture: 'grid.png' };
    return { type: 'summary', values };
  }

  /** Summary of the machine's resources that the drawing used. */
  usage(): StageEvent {
    const values = {
      expectedMemoryMegabytes: toMegabytes(this.expectedMemory),
      peakMemoryMegabytes: toMegabytes(peakBytes()),
    };
    return { type: 'summary', measured: true, values };
  }

  async close(): Promise<void> {
    await this.sampler.close();
    await this.autoencoder.close();
    await this.images?.close();
  }

  /** True when anything is recorded of samples beside their pictures. */
  private get keepsRecords(): boolean {
    const { phases, likelihood, reverse } = this.config;
    return phases !== undefined || likelihood || reverse !== undefined;
  }

  private async isRecorded(sample: number): Promise<boolean> {
    if (this.keepsRecords && !this.records.has(sample)) return false;
    return !this.trajectories?.wants(sample) || this.trajectories.has(sample);
  }

  private recordOf(
    i: number,
    sample: number,
    { switches, steps, bitsPerDimension, latents }: DrawnBatch,
    data: HostTensor | undefined,
  ): SampleRecord {
    return {
      sample,
      steps: steps[i]!,
      ...(this.config.phases && { switches: switchSteps(switches, i, this.models.phases.length) }),
      ...(bitsPerDimension && { bitsPerDimension: bitsPerDimension[i]! }),
      ...(data && { roundTripError: meanDifference(takeRows(latents, [i]), takeRows(data, [i])) }),
    };
  }

  /** Writes what was measured of each sample, and gives what is worth a summary. */
  private async measurements(): Promise<Record<string, Json>> {
    const { plan, config, context, models } = this;
    const { directory } = context;
    const facts: Record<string, Json> = {};
    const rebuilt = models.phases.flatMap(
      ({ stage, saved }) => rebuiltAverage(stage, saved, config.weights) ?? [],
    );
    if (rebuilt.length > 0) facts.averageError = Math.max(...rebuilt.map(({ error }) => error));
    // Without phases every sample's path costs the same.
    if (config.sampler.featureCache && !config.phases)
      facts.savedFraction = savedFraction(plan, models, [{ steps: config.sampler.steps - 1 }]);
    if (!this.keepsRecords) return facts;
    const records = this.records.all(config.count);
    if (config.phases) facts.savedFraction = await writeSwitches(directory, plan, models, records);
    if (config.likelihood) {
      const samples = records.map(({ bitsPerDimension }) => bitsPerDimension!);
      facts.bitsPerDimension = mean(samples);
      const file = { bitsPerDimension: facts.bitsPerDimension, samples };
      await writeFileWhole(join(directory, 'likelihood.json'), `${JSON.stringify(file)}\n`);
    }
    if (this.noise) {
      const { latentSize, channels } = models.phases[0]!.saved.config;
      const { mean: noiseMean, std: noiseStd } = await this.noise.finish([latentSize, latentSize, channels]);
      const roundTripError = mean(records.map((record) => record.roundTripError!));
      Object.assign(facts, { noiseMean, noiseStd, roundTripError });
    }
    return facts;
  }

  /** Tells how many samples are done, those of the current batch counted by how far they are; the others' as our own. */
  private tell(partOfBatch: number): void {
    this.progress.next({
      type: 'progress',
      done: Math.min(this.labels.length, Math.floor(this.done + partOfBatch)),
      total: this.labels.length,
      unit: 'samples',
    });
  }
}

/** Describes a stage's models, weights apart. */
async function sampledModels(
  { autoencoder }: Pick<SampleConfig, 'autoencoder'>,
  { phases, base }: FoundModels,
  context: Pick<StageContext, 'input'>,
): Promise<SampledModels> {
  const decoder = await readSavedAutoencoder(context.input(autoencoder).directory);
  return {
    phases: phases.map(({ saved }) => saved.config),
    base: base?.saved.config,
    autoencoder: decoder.config,
  };
}

/** A sample is made again once; where its picture is damaged again the disk is to blame. */
export function damagedAgain(sample: number): UserError {
  return new UserError({
    code: 'samples-damaged',
    message: `The picture of sample ${sample} was written twice and cannot be read.`,
    remedy: 'Check the disk that the runs are on.',
  });
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function meanDifference(a: HostTensor, b: HostTensor): number {
  let sum = 0;
  for (let i = 0; i < a.data.length; i++) sum += Math.abs(a.data[i]! - b.data[i]!);
  return sum / sizeOf(a.shape);
}
