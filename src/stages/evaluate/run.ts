import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { finalize, from, ignoreElements, merge, mergeMap, type Observable, Subject } from 'rxjs';
import { UserError } from '../../base/errors.js';
import { writeFileWhole } from '../../base/output-file.js';
import { abortable, everyMs } from '../../base/streams.js';
import type { EvaluateConfig } from '../../generated/index.js';
import { computeFrechetDistance, frechetDistanceError, inceptionScore } from '../../metrics/index.js';
import type { Rows, StoredRows } from '../../metrics/index.js';
import type { StageContext, StageEvent, StageProgress, StageWorkers } from '../../runner/stage.js';
import type { SetupEvent } from '../../tensorflow/install/wheel-source.js';
import { onEngine, sharedOut } from '../shared/engine.js';
import { featureFigures } from './feature-figures.js';
import { type FeatureOptions, sharesName, StoredFeatures } from './feature-store.js';
import { isOfFeatures, neededNetworks, type NetworkName, networkOf } from './figures.js';
import { type ImageSet, openFileSet, openStageSet } from './image-set.js';
import { type FeatureNetwork, openEfficientNet, openInception, openLatentNetwork } from './networks.js';
import { distancesOf, Reference } from './reference.js';
import { type MeanName, type Statistics, writeStatistics } from './statistics-file.js';
import { type FeatureWork, writeFeatureWork } from './work.js';

const progressEveryMs = 100;

/** Computes figures of samples against a reference. */
export function run(config: EvaluateConfig, context: StageContext): Observable<StageEvent> {
  return onEngine(context, () => {
    const events = new Subject<StageEvent>();
    const job = new EvaluateJob(config, context, (event) => {
      events.next(event);
    });
    const work = sharedOut(
      context,
      (worker) => from(job.share(worker)).pipe(ignoreElements()),
      () => from(job.run()).pipe(mergeMap((last) => last)),
    ).pipe(
      finalize(() => {
        events.complete();
      }),
    );
    return merge(events.pipe(everyMs(progressEveryMs)), work).pipe(abortable<StageEvent>(context.signal));
  });
}

/** Figures in the order of the report. */
type Figures = Record<string, number>;

/** One run of the stage. */
export class EvaluateJob {
  private done = 0;
  private told = 0;
  private total = 0;
  private readonly figures: Figures = {};
  private readonly statistics: Partial<Record<MeanName, Statistics>> = {};
  private readonly referenceStatistics: Partial<Record<MeanName, Statistics>> = {};
  private readonly notices: StageEvent[] = [];
  private readonly features: FeatureWork = {};

  constructor(
    private readonly config: EvaluateConfig,
    private readonly context: StageContext,
    private readonly tell: (event: StageProgress) => void,
  ) {}

  /** Computes a worker's share of the features. */
  async share(worker: StageWorkers): Promise<void> {
    await this.withSets(async (samples, reference) => {
      this.plan(samples, reference);
      const sets = [samples, ...(reference?.images ? [reference.images] : [])];
      for (const open of this.networks()) {
        const network = await open();
        try {
          this.wantedOf(network, reference);
          for (const set of sets)
            await StoredFeatures.share(network, set, worker, this.featureOptions(worker.size));
        } finally {
          await network.close();
        }
      }
    });
  }

  run(): Promise<StageEvent[]> {
    return this.withSets((samples, reference) => this.compare(samples, reference));
  }

  private async withSets<T>(
    work: (samples: ImageSet, reference: Reference | undefined) => Promise<T>,
  ): Promise<T> {
    const samples = await this.openSamples();
    try {
      const reference = await Reference.open(this.config, this.context);
      try {
        return await work(samples, reference);
      } finally {
        await reference?.close();
      }
    } finally {
      await samples.close();
    }
  }

  /** Counts what is to be done, from the beginning. */
  private plan(samples: ImageSet, reference: Reference | undefined): void {
    const sides = samples.count + (reference?.images?.count ?? 0);
    this.done = 0;
    this.total = sides * this.networks().length;
    if (this.config.metrics.includes('precisionRecall')) this.total += 2 * sides;
    if (this.config.metrics.includes('classAgreement')) this.total += samples.count;
  }

  private async compare(samples: ImageSet, reference: Reference | undefined): Promise<StageEvent[]> {
    const { config, context } = this;
    this.plan(samples, reference);
    this.warnOfSizes(samples, reference?.images);
    const facts: Record<string, string> = {};
    if (config.metrics.some(isOfFeatures)) facts.features = networkOf(config);
    for (const open of this.networks()) {
      const network = await open();
      try {
        const stored = await this.distancesBy(network, samples, reference);
        if (network.sha256 !== undefined) facts[`${network.name}Sha256`] = network.sha256;
        if (network.probabilities && config.metrics.includes('inceptionScore'))
          this.figures.inceptionScore = await storedInceptionScore(
            stored.samples.rows('pooled'),
            network.probabilities,
          );
        if (network.name === networkOf(config) && reference?.images && stored.reference)
          Object.assign(
            this.figures,
            await featureFigures(
              config.metrics,
              { ...samples, rows: stored.samples.rows(network.main) },
              { ...reference.images, rows: stored.reference.rows(network.main) },
              this.runtime,
              {
                signal: context.signal,
                onRows: (rows) => {
                  context.signal.throwIfAborted();
                  this.count(rows);
                },
              },
            ),
          );
      } finally {
        await network.close();
      }
    }
    return this.finish(samples, reference, facts);
  }

  /** Openers of the networks that figures need, one after the other. */
  private networks(): (() => Promise<FeatureNetwork>)[] {
    const { config, context, runtime } = this;
    const { pipelineDirectory, signal } = context;
    const openers: Readonly<Record<NetworkName, () => Promise<FeatureNetwork>>> = {
      latents: () => openLatentNetwork(context.input(config.autoencoder!), config.latentGrid, runtime),
      efficientnet: () => openEfficientNet(runtime, this.tellOfSetup, signal),
      inception: () =>
        openInception(resolve(pipelineDirectory, config.inceptionFile!), config.inceptionSha256, runtime),
    };
    return neededNetworks(config).map((name) => openers[name]);
  }

  private readonly tellOfSetup = (event: SetupEvent): void => {
    if (event.type === 'step') this.notices.push({ type: 'notice', level: 'info', message: event.message });
  };

  /** Figures are computed in float32, whatever the precision of other stages. */
  private get runtime(): StageContext['runtime'] {
    return { ...this.context.runtime, precision: 'float32' };
  }

  /** Distances that are wanted of a network's features. */
  private wantedOf(network: FeatureNetwork, reference: Reference | undefined) {
    const { metrics } = this.config;
    const wanted = distancesOf(this.config).filter(
      ({ metric, feature }) => metrics.includes(metric) && feature in network.widths,
    );
    for (const { feature, mean } of wanted) reference?.mustFit(mean, network.widths[feature]!);
    return wanted;
  }

  /** @param workers that are as far as this one, each in its share */
  private featureOptions(workers = 1): FeatureOptions {
    return {
      batch: this.config.batch,
      signal: this.context.signal,
      directory: this.context.directory,
      onImages: (images) => {
        this.count(images * workers);
      },
    };
  }

  /** Distances by the features of one network, and what else can be computed from these. */
  private async distancesBy(
    network: FeatureNetwork,
    samples: ImageSet,
    reference: Reference | undefined,
  ): Promise<{ samples: StoredFeatures; reference?: StoredFeatures }> {
    const { signal } = this.context;
    const wanted = this.wantedOf(network, reference);
    const options = this.featureOptions();
    const start = performance.now();
    const found = await StoredFeatures.of(network, samples, options);
    const compared = reference?.images && (await StoredFeatures.of(network, reference.images, options));
    this.features[network.name] = {
      images: found.computed + (compared?.computed ?? 0),
      seconds: (performance.now() - start) / 1000,
    };
    for (const { metric, feature, mean } of wanted) {
      const own = await found.statistics(feature, this.runtime, signal);
      const given = reference?.statistics[mean];
      const other = given ?? (await compared!.statistics(feature, this.runtime, signal));
      this.figures[metric] = await computeFrechetDistance(
        own,
        { count: 0, ...other },
        this.context.runtime,
        signal,
      );
      const error =
        metric === 'sfid'
          ? undefined
          : await frechetDistanceError(found.rows(feature), { count: 0, ...other }, this.runtime, signal);
      if (error !== undefined) this.figures[`${metric}Error`] = error;
      this.statistics[mean] = own;
      if (given === undefined) this.referenceStatistics[mean] = other;
      this.warnOfBias(metric, network.widths[feature]!, samples, reference?.images);
    }
    return { samples: found, ...(compared && { reference: compared }) };
  }

  /** Few samples make every distance too large: their covariance has not even full rank. */
  private warnOfBias(
    metric: string,
    width: number,
    samples: ImageSet,
    reference: ImageSet | undefined,
  ): void {
    for (const set of [samples, ...(reference ? [reference] : [])])
      if (set.count <= width)
        this.notices.push({
          type: 'notice',
          level: 'warning',
          message: `${metric} is biased: ${set.name} has ${set.count} images, and ${width} features need more images than that. Compare its value only with values from the same number of images.`,
        });
  }

  /** Images of two sizes differ in what networks see of them, whatever they show. */
  private warnOfSizes(samples: ImageSet, reference: ImageSet | undefined): void {
    const [own, other] = [samples.pixels, reference?.pixels].map((pixels) => pixels?.join(' × '));
    if (own === undefined || other === undefined || own === other) return;
    this.notices.push({
      type: 'notice',
      level: 'warning',
      message: `${samples.name} has images of ${own} pixels, and ${reference!.name} of ${other}: figures differ by that alone. Compare images of one size.`,
    });
  }

  private async finish(
    samples: ImageSet,
    reference: Reference | undefined,
    facts: Readonly<Record<string, string>>,
  ): Promise<StageEvent[]> {
    const { directory } = this.context;
    const { figures } = this;
    const counts = {
      samples: samples.count,
      ...(reference?.images && { referenceImages: reference.images.count }),
    };
    const evaluation = { ...counts, figures, ...facts };
    await writeFileWhole(join(directory, 'evaluation.json'), `${JSON.stringify(evaluation, undefined, 1)}\n`);
    if (Object.keys(this.statistics).length > 0)
      await writeStatistics(join(directory, 'statistics.npz'), this.statistics);
    if (Object.keys(this.referenceStatistics).length > 0)
      await writeStatistics(join(directory, 'reference.npz'), this.referenceStatistics);
    await rm(join(directory, sharesName), { recursive: true, force: true });
    // Where there are several workers, the others have computed features before.
    if (this.runtime.workers === 1) await writeFeatureWork(directory, this.features);
    return [...this.notices, { type: 'summary', values: { ...figures, ...counts } }];
  }

  private async openSamples(): Promise<ImageSet> {
    const { samples, samplesFile } = this.config;
    if (samples !== undefined) return openStageSet(samples, this.context);
    const path = resolve(this.context.pipelineDirectory, samplesFile!);
    const set = await openFileSet(path);
    if (set !== undefined) return set;
    throw new UserError({
      code: 'images-missing',
      message: `${path}: it has no images \`arr_0\` to evaluate.`,
      remedy: 'Write them with numpy.savez(path, images).',
    });
  }

  private count(images: number): void {
    this.done += images;
    // What workers were taken to have done may not be there yet.
    this.told = Math.max(this.told, Math.min(this.done, this.total));
    this.tell({ type: 'progress', done: this.told, total: this.total, unit: 'images' });
  }
}

/** Size of a split, as the ADM evaluator has it; the last split may be smaller. */
const splitSize = 5000;
const batchSize = 512;

/** The Inception score of features in files: one split's probabilities are in memory at a time. */
export async function storedInceptionScore(
  { count, width, read }: StoredRows,
  probabilitiesOf: (features: Rows) => Promise<Rows>,
): Promise<number> {
  const scores: number[] = [];
  for (let start = 0; start < count; start += splitSize) {
    const end = Math.min(start + splitSize, count);
    const parts: Rows[] = [];
    for (let first = start; first < end; first += batchSize) {
      const rows = Math.min(batchSize, end - first);
      parts.push(await probabilitiesOf({ count: rows, width, data: await read(first, rows) }));
    }
    const classes = parts[0]!.width;
    const data = new Float32Array((end - start) * classes);
    let at = 0;
    for (const part of parts) {
      data.set(part.data, at);
      at += part.data.length;
    }
    scores.push(inceptionScore({ count: end - start, width: classes, data }));
  }
  return scores.reduce((sum, score) => sum + score, 0) / scores.length;
}
