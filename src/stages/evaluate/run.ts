import { join, resolve } from 'node:path';
import { defer, finalize, merge, mergeMap, type Observable, Subject } from 'rxjs';
import { UserError } from '../../base/errors.js';
import { writeFileWhole } from '../../base/output-file.js';
import { abortable, everyMs } from '../../base/streams.js';
import type { EvaluateConfig } from '../../generated/index.js';
import {
  computeFrechetDistance,
  inceptionScore,
  type Rows,
  storedPrecisionRecall,
  type StoredRows,
} from '../../metrics/index.js';
import type { StageContext, StageEvent, StageProgress } from '../../runner/stage.js';
import { onEngine } from '../shared/engine.js';
import { StoredFeatures } from './feature-store.js';
import { type ImageSet, openFileSet, openStageSet } from './image-set.js';
import { type FeatureNetwork, openInception, openLatentNetwork } from './networks.js';
import { distances, Reference } from './reference.js';
import { type MeanName, type Statistics, writeStatistics } from './statistics-file.js';

const progressEveryMs = 100;

/** Computes figures of samples against a reference. */
export function run(config: EvaluateConfig, context: StageContext): Observable<StageEvent> {
  return onEngine(context, () => {
    const events = new Subject<StageEvent>();
    const job = new EvaluateJob(config, context, (event) => {
      events.next(event);
    });
    const work = defer(() => job.run()).pipe(
      mergeMap((last) => last),
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
  private total = 0;
  private readonly figures: Figures = {};
  private readonly statistics: Partial<Record<MeanName, Statistics>> = {};
  private readonly referenceStatistics: Partial<Record<MeanName, Statistics>> = {};
  private readonly notices: StageEvent[] = [];

  constructor(
    private readonly config: EvaluateConfig,
    private readonly context: StageContext,
    private readonly tell: (event: StageProgress) => void,
  ) {}

  async run(): Promise<StageEvent[]> {
    const samples = await this.openSamples();
    try {
      const reference = await Reference.open(this.config, this.context);
      try {
        return await this.compare(samples, reference);
      } finally {
        await reference?.close();
      }
    } finally {
      await samples.close();
    }
  }

  private async compare(samples: ImageSet, reference: Reference | undefined): Promise<StageEvent[]> {
    const { config, context } = this;
    const runtime = { ...context.runtime, precision: 'float32' } as const;
    const wanted = new Set(config.metrics);
    const usesLatents = wanted.delete('latentFrechetDistance');
    const usesInception = wanted.size > 0;
    const sides = samples.count + (reference?.images?.count ?? 0);
    this.total = sides * (Number(usesLatents) + Number(usesInception));
    if (wanted.has('precisionRecall')) this.total += 2 * sides;
    const facts: Record<string, string> = {};
    if (usesLatents) {
      const network = await openLatentNetwork(context.input(config.autoencoder!), config.latentGrid, runtime);
      try {
        await this.distancesBy(network, samples, reference);
      } finally {
        await network.close();
      }
    }
    if (usesInception) {
      const path = resolve(context.pipelineDirectory, config.inceptionFile!);
      const network = await openInception(path, config.inceptionSha256, runtime);
      facts.inceptionSha256 = network.sha256;
      try {
        const stored = await this.distancesBy(network, samples, reference);
        if (wanted.has('inceptionScore'))
          this.figures.inceptionScore = await storedInceptionScore(
            stored.samples.rows('pooled'),
            network.probabilities,
          );
        if (wanted.has('precisionRecall'))
          Object.assign(
            this.figures,
            await storedPrecisionRecall(
              stored.reference!.rows('pooled'),
              stored.samples.rows('pooled'),
              runtime,
              {
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

  /** Distances by the features of one network, and what else can be computed from these. */
  private async distancesBy(
    network: FeatureNetwork,
    samples: ImageSet,
    reference: Reference | undefined,
  ): Promise<{ samples: StoredFeatures; reference?: StoredFeatures }> {
    const { metrics, batch } = this.config;
    const { signal } = this.context;
    const wanted = distances.filter(
      ({ metric, feature }) => metrics.includes(metric) && feature in network.widths,
    );
    for (const { feature, mean } of wanted) reference?.mustFit(mean, network.widths[feature]!);
    const options = {
      batch,
      signal,
      onImages: (images: number) => {
        this.count(images);
      },
    };
    const found = await StoredFeatures.of(network, samples, options);
    const compared = reference?.images && (await StoredFeatures.of(network, reference.images, options));
    for (const { metric, feature, mean } of wanted) {
      const own = await found.statistics(feature, signal);
      const given = reference?.statistics[mean];
      const other = given ?? (await compared!.statistics(feature, signal));
      this.figures[metric] = await computeFrechetDistance(
        own,
        { count: 0, ...other },
        this.context.runtime,
        signal,
      );
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
          message: `${metric} is biased: ${set.name} has ${set.count} images, and ${width} features need more than as many. Figures of equally many images can be compared with each other, not with others.`,
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
      message: `${path}: there are no images \`arr_0\` to evaluate.`,
      remedy: 'Write them with numpy.savez(path, images).',
    });
  }

  private count(images: number): void {
    this.done += images;
    this.tell({ type: 'progress', done: this.done, total: this.total, unit: 'images' });
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
