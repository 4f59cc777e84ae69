import { join } from 'node:path';
import { finalize, from, merge, mergeMap, type Observable, Subject } from 'rxjs';
import { writeFileWhole } from '../../base/output-file.js';
import { abortable, everyMs } from '../../base/streams.js';
import type { SampleConfig } from '../../generated/index.js';
import type { StageContext, StageEvent, StageProgress } from '../../runner/stage.js';
import {
  distancesBetween,
  movesOf,
  knee,
  largestCost,
  paretoFrontier,
  phasedCost,
  type PhaseOptions,
  predictDeviation,
  predictSwitches,
  ratioTuples,
  spreadOverCosts,
  timePower,
} from '../../sampling/index.js';
import type { HostTensor } from '../../tensorflow/index.js';
import { sampleLabels } from '../sample/labels.js';
import { findModels, type FoundModels, openSampler } from '../sample/models.js';
import { type RunnablePlan, runnablePlan } from '../sample/plan.js';
import { type DrawnBatch, missingBatches, type SampleBatch, type Sampler } from '../sample/sampler.js';
import { pathCosts, switchSteps } from '../sample/switches.js';
import { onEngine } from '../shared/engine.js';
import { type CalibratedChoice, type Calibration, calibrationName, frontierPicture } from './calibration.js';

/** A `sample` stage's configuration; `count` samples are recorded. */
export interface CalibrateConfig extends SampleConfig {
  /** Choices of ratios that are tried out in full. */
  readonly replays: number;
}

/** Ratios that are considered. */
const ratios = Array.from({ length: 24 }, (_, i) => Number((1.2 - 0.05 * i).toFixed(2)));
const progressEveryMs = 100;

/**
 * Follows the same samples by each model alone, predicts from these paths what every choice of ratios costs and how far
 * from the largest model it leads, and follows the best choices in full.
 */
export function run(config: CalibrateConfig, context: StageContext): Observable<StageEvent> {
  return onEngine(context, () => {
    const job = new CalibrateJob(config, context);
    const work = from(job.run()).pipe(
      mergeMap((events) => events),
      finalize(() => {
        job.progress.complete();
      }),
    );
    return merge(job.progress.pipe(everyMs(progressEveryMs)), work).pipe(
      abortable<StageEvent>(context.signal),
    );
  });
}

class CalibrateJob {
  readonly progress = new Subject<StageProgress>();
  private done = 0;
  private readonly plan: RunnablePlan;

  constructor(
    private readonly config: CalibrateConfig,
    private readonly context: StageContext,
  ) {
    this.plan = runnablePlan(config);
  }

  async run(): Promise<StageEvent[]> {
    const models = await findModels(this.plan, this.context);
    const labels = sampleLabels(this.config, models.phases[0]!.saved.classes, this.context.seed);
    const batches = missingBatches(labels, this.config.batch, () => false);
    const { costs, predicted: skipped } = pathCosts(models, this.plan);
    const costOf = (switches: readonly (number | null)[]) => phasedCost(costs, switches, skipped);
    const largest = costs
      .map((of) => sum(of))
      .reduce((best, cost, i, all) => (cost > all[best]! ? i : best), 0);
    const { records, finals } = await this.record(models, batches, largest);

    const samples = labels.length;
    const deviations = records.map(({ differences }) =>
      differences.map((value, step) => (value - (differences[step - 1] ?? 0)) / samples),
    );
    const considered = ratioTuples(ratios, models.phases.length - 1).map((switchRatios) =>
      predicted({ ...this.plan.switching, switchRatios }, records, deviations, costOf),
    );
    const candidates = spreadOverCosts(paretoFrontier(considered), this.config.replays);
    const whole = largestCost(costs);
    const choices: CalibratedChoice[] = [];
    for (const { ratios: tried, ...prediction } of candidates) {
      const found = await this.replay(tried, models, batches, finals, costOf);
      choices.push({ ratios: tried, ...found, saved: 1 - found.cost / whole, predicted: prediction });
    }
    const frontier = paretoFrontier(choices);
    const calibration: Calibration = {
      samples,
      considered: considered.length,
      phases: models.phases.map(({ stage }, i) => ({
        stage,
        cost: phasedCost([costs[i]!], [], skipped && { ...skipped, costs: [skipped.costs[i]!] }),
        deviation: records[i]!.differences.at(-1)! / samples,
      })),
      choices: frontier,
      knee: frontier.indexOf(knee(frontier)),
    };
    const { directory } = this.context;
    await writeFileWhole(join(directory, calibrationName), `${JSON.stringify(calibration, undefined, 1)}\n`);
    await writeFileWhole(join(directory, 'frontier.svg'), frontierPicture(calibration));
    return [
      { type: 'summary', values: { samples, considered: considered.length, choices: frontier.length } },
    ];
  }

  /** Follows every batch by each model alone, the largest first. */
  private async record(
    models: FoundModels,
    batches: readonly SampleBatch[],
    largest: number,
  ): Promise<{ records: ModelRecord[]; finals: HostTensor[] }> {
    const records: ModelRecord[] = models.phases.map(() => ({ distances: [], differences: [] }));
    const finals: HostTensor[] = [];
    const order = [largest, ...models.phases.keys()].filter((phase, i, all) => all.indexOf(phase) === i);
    const samplers = new Map<number, Sampler>();
    try {
      for (const phase of order) {
        const { model: stage } = this.plan.phases[phase]!;
        const alone = runnablePlan({ ...this.config, phases: [{ model: stage }] });
        const base = models.base;
        const model = { phases: [models.phases[phase]!], ...(base && { base }) };
        samplers.set(phase, await openSampler(alone, model, this.context));
      }
      for (const batch of batches) {
        const states: HostTensor[] = [];
        for (const phase of order) {
          const switching = { ...this.plan.switching, timePower: timePower(this.plan.settings) };
          const drawn = await recordBatch(samplers.get(phase)!, batch, switching, records[phase]!, {
            ...this.options(batch),
            largest: states,
            isLargest: phase === largest,
          });
          if (phase === largest) finals.push(drawn.latents);
          this.done += batch.size;
        }
      }
    } finally {
      for (const sampler of samplers.values()) await sampler.close();
    }
    return { records, finals };
  }

  /** Follows a choice of ratios in full. */
  private async replay(
    tried: readonly number[],
    models: FoundModels,
    batches: readonly SampleBatch[],
    finals: readonly HostTensor[],
    costOf: (switches: readonly (number | null)[]) => number,
  ): Promise<{ cost: number; deviation: number }> {
    const phases = this.plan.phases.map(({ model }, i) => ({
      model,
      ...(tried[i] !== undefined && { switchRatio: tried[i] }),
    }));
    const sampler = await openSampler(runnablePlan({ ...this.config, phases }), models, this.context);
    let cost = 0;
    let difference = 0;
    let samples = 0;
    try {
      for (const [i, batch] of batches.entries()) {
        const { latents, switches } = await sampler.draw(batch, this.options(batch));
        difference += sampler.meanDifference(latents, finals[i]!) * batch.size;
        for (let row = 0; row < batch.size; row++) cost += costOf(switchSteps(switches, row, phases.length));
        samples += batch.size;
        this.done += batch.size;
      }
    } finally {
      await sampler.close();
    }
    return { cost: cost / samples, deviation: difference / samples };
  }

  private options({ size }: SampleBatch) {
    return {
      signal: this.context.signal,
      onProgress: (share: number) => {
        this.progress.next({
          type: 'progress',
          done: Math.floor(this.done + size * share),
          total: this.config.count * (this.plan.phases.length + this.config.replays),
          unit: 'paths',
        });
      },
    };
  }
}

function predicted(
  options: PhaseOptions,
  records: readonly ModelRecord[],
  deviations: readonly (readonly number[])[],
  costOf: (switches: readonly (number | null)[]) => number,
) {
  const samples = records[0]!.distances.length;
  let cost = 0;
  let deviation = 0;
  for (let sample = 0; sample < samples; sample++) {
    const switches = predictSwitches(
      options,
      records.map(({ distances }) => distances[sample]!),
    );
    cost += costOf(switches) / samples;
    deviation += predictDeviation(deviations, switches) / samples;
  }
  return { ratios: options.switchRatios, cost, deviation };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** Record of one model's paths. */
export interface ModelRecord {
  /** Distances by sample and step, from the second on. */
  readonly distances: number[][];
  /** Differences by step: mean absolute difference to the largest model's states, summed over samples. */
  readonly differences: number[];
}

/** Follows a batch by one model alone and keeps how far each step moved each sample. */
export async function recordBatch(
  sampler: Sampler,
  batch: SampleBatch,
  switching: PhaseOptions,
  record: ModelRecord,
  options: {
    readonly signal: AbortSignal;
    readonly onProgress: (share: number) => void;
    /** The largest model's states by step: compared with, or filled where it is the one. */
    readonly largest: HostTensor[];
    readonly isLargest: boolean;
  },
): Promise<DrawnBatch> {
  const { largest, isLargest, ...rest } = options;
  const own: number[][] = batch.rows.map(() => []);
  let previous: HostTensor | undefined;
  const drawn = await sampler.draw(batch, {
    ...rest,
    onState: (x, step, _switches, dt = 1) => {
      if (previous !== undefined)
        for (const [row, value] of movesOf(switching, x, previous, dt).entries()) own[row]!.push(value);
      previous = x;
      if (isLargest) largest.push(x);
      const away = isLargest ? [0] : distancesBetween('mae', x, largest[step - 1]!);
      record.differences[step - 1] =
        (record.differences[step - 1] ?? 0) + away.reduce((sum, value) => sum + value, 0);
    },
  });
  record.distances.push(...own);
  return drawn;
}
