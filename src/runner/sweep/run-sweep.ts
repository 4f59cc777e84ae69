import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { from, lastValueFrom, mergeMap, type Observable } from 'rxjs';
import { asUserError } from '../../base/files.js';
import { fromWork } from '../../base/streams.js';
import type { PlannedStage } from '../plan/plan.js';
import type { TimedRunEvent } from '../run/events.js';
import { failedElsewhereCode } from '../run/run-stage.js';
import { listRuns } from '../runs/find-runs.js';
import type { Run } from '../runs/run.js';
import { isProgress } from '../stage.js';
import { outputPlace } from '../store/manifest.js';
import { OutputsFollowed } from './follow.js';
import { type Compared, figureAt, figureIn, goingOn, type Halving, judgedStage, ranked } from './halving.js';
import type { Launcher } from './launcher.js';
import { cachedResult, columnsOf, outlookOf, stagesToRun, type PlannedTrial } from './plan-sweep.js';
import { type Forcing, readResults, resultsName, sweepFolder, writeResults } from './results.js';
import { runTrial, type TrialOptions } from './run-trial.js';
import {
  type SweepCounts,
  type SweepEvent,
  type TimedSweepEvent,
  type TrialFacts,
  type TrialRecord,
  type TrialResult,
  type TrialStatus,
} from './trial.js';
import { whileUnderWay } from './under-way.js';

export interface SweepOptions extends Pick<
  TrialOptions,
  'signal' | 'kill' | 'retries' | 'retryPauseSeconds' | 'timeLimitSeconds'
> {
  readonly pipeline: { readonly name: string; readonly file: string };
  readonly planned: readonly PlannedTrial[];
  readonly runsRoot: string;
  readonly forced?: Forcing | undefined;
  /** Starts trials, which keep what they say in files of the sweep's folder. */
  readonly launcher: (directory: string) => Launcher;
  /** Trials at once. */
  readonly parallel: number;
  /** Stops bad trials on the way; without it all run to their end. */
  readonly halving?: Halving | undefined;
  /** True to start trials after one has failed. Those that run go on in any case. */
  readonly keepGoing: boolean;
}

/**
 * Runs the trials of a sweep, those that are wholly cached not at all. The stream ends with `sweep-finished`,
 * `sweep-failed` (a trial failed or was stopped at its time limit) or `sweep-interrupted`. Results are written to
 * `sweep.json` and `sweep.csv` in the sweep's folder whenever a trial ends.
 */
export function runSweep(options: SweepOptions): Observable<TimedSweepEvent> {
  return fromWork((tell) => {
    const sweep = new Sweep(options, (event) => {
      tell({ time: new Date().toISOString(), ...event });
    });
    return whileUnderWay(sweepFolder(options.runsRoot, options.pipeline.name), () => sweep.run());
  });
}

const tellEveryMs = 1000;

class Sweep {
  private readonly options: SweepOptions;
  private readonly emit: (event: SweepEvent) => void;
  private readonly directory: string;
  private readonly results = new Map<string, TrialResult>();
  /** Recipes of stages that failed for good, and the trial in which they did. */
  private readonly failedStages = new Map<string, string>();
  /** Interrupts a trial that runs, because a stage that it shares has failed in another one. */
  private readonly running = new Map<PlannedTrial, AbortController>();
  private stopped = false;
  /** Failure from which the sweep itself cannot go on; its trials are then interrupted. */
  private failure: { readonly error: unknown } | undefined;
  private readonly failed = new AbortController();
  private readonly outputs: OutputsFollowed;
  /** Columns of the table, which are the same whenever it is written. */
  private readonly table: ReturnType<typeof columnsOf>;
  private toldAtMs = -Infinity;
  private written: Promise<void> = Promise.resolve();

  constructor(options: SweepOptions, emit: (event: SweepEvent) => void) {
    this.options = { ...options, signal: AbortSignal.any([options.signal, this.failed.signal]) };
    this.emit = emit;
    this.directory = sweepFolder(options.runsRoot, options.pipeline.name);
    const { planned, parallel } = options;
    this.outputs = new OutputsFollowed(planned, parallel);
    this.table = columnsOf(planned);
  }

  async run(): Promise<void> {
    const { planned, parallel, pipeline, runsRoot, signal, launcher } = this.options;
    const start = performance.now();
    await mkdir(this.directory, { recursive: true }).catch((error: unknown) => {
      throw asUserError(error, this.directory);
    });
    const [cached, waiting] = [true, false].map((isCached) =>
      planned.filter((trial) => (stagesToRun(trial).length === 0) === isCached),
    ) as [PlannedTrial[], PlannedTrial[]];
    this.emit({
      type: 'sweep-started',
      pipeline: pipeline.name,
      file: pipeline.file,
      directory: this.directory,
      parallel,
      trials: planned.map(outlookOf),
    });
    const looked = this.outputs.expectTimes(runsRoot);
    const before = await readResults(this.json);
    const earlier = new Map(before?.trials.map((result) => [result.trial, result]));
    for (const trial of waiting) this.keep(trial, 'waiting', factsOf(earlier.get(trial.trial.id)));
    let runs: Promise<readonly Run[]> | undefined;
    const listed = () => (runs ??= listRuns(runsRoot));
    for (const trial of cached) {
      const facts = await cachedResult(trial, earlier.get(trial.trial.id)?.run, listed);
      const result = this.keep(trial, 'cached', facts);
      this.emit({ type: 'trial-cached', result });
    }
    await looked;
    this.tellProgress();
    // Since when it is forced is known from now on, whatever interrupts the sweep.
    if (this.options.forced !== undefined) await this.write();
    const launch = launcher(this.directory);
    const last = await this.halve(planned, launch);
    await this.each(
      waiting.filter((trial) => last.includes(trial)),
      async (trial) => {
        // It may have come to its end while it was compared.
        if (this.results.get(trial.trial.id)?.status === 'waiting') await this.runOne(trial, launch);
      },
    );
    await this.write();
    const counts = this.counts();
    const isDone = counts.failed + counts.timedOut + counts.left === 0;
    this.emit({
      type: isDone ? 'sweep-finished' : signal.aborted ? 'sweep-interrupted' : 'sweep-failed',
      seconds: (performance.now() - start) / 1000,
      workedSeconds: this.outputs.workedSeconds,
      counts,
      results: this.inOrder(),
      csv: this.csv,
      json: this.json,
    });
  }

  /** Does something with trials, some at once. Those that run are waited for whatever happens: they save. */
  private async each(
    trials: readonly PlannedTrial[],
    work: (trial: PlannedTrial) => Promise<void>,
  ): Promise<void> {
    await lastValueFrom(
      from(trials).pipe(
        mergeMap(
          (trial) =>
            work(trial).catch((error: unknown) => {
              this.failure ??= { error };
              this.failed.abort();
            }),
          this.options.parallel,
        ),
      ),
      { defaultValue: undefined },
    );
    if (this.failure !== undefined) throw this.failure.error;
  }

  /** Runs trials from step to step at which they are compared; gives those that are to run to their end. */
  private async halve(
    planned: readonly PlannedTrial[],
    launcher: Launcher,
  ): Promise<readonly PlannedTrial[]> {
    const { halving, signal } = this.options;
    let contenders = planned;
    for (const step of halving?.steps ?? []) {
      const values = new Map<PlannedTrial, Compared>();
      await this.each(contenders, async (trial) => {
        const known = await figureAt(trial, halving!, step);
        const compared = known ?? (await this.runOne(trial, launcher, { ...halving!, step }));
        if (compared !== undefined) values.set(trial, compared);
      });
      if (signal.aborted || this.stopped) return [];
      const order = ranked(
        contenders.flatMap((trial) =>
          values.has(trial) ? [{ planned: trial, value: values.get(trial)!.value }] : [],
        ),
        halving!.headline,
      );
      const left = goingOn(order.length, halving!.keep);
      for (const [i, { planned: trial, value }] of order.entries()) {
        const { status, ...facts } = this.results.get(trial.trial.id)!;
        // What is there is no less there for that.
        if (i < left || status === 'cached' || status === 'finished') continue;
        const { stage, headline } = halving!;
        const stopped = {
          ...{ stage, step, figure: headline.name, value, rank: i + 1, of: order.length },
          fingerprint: values.get(trial)!.fingerprint,
        };
        this.end(this.keep(trial, 'stopped', { ...facts, stopped }), 0);
      }
      const isStopped = (trial: PlannedTrial): boolean =>
        this.results.get(trial.trial.id)?.status === 'stopped';
      this.outputs.leaveOut(new Set(planned.filter(isStopped)));
      await this.write();
      contenders = order.slice(0, left).map(({ planned: trial }) => trial);
    }
    return contenders;
  }

  /**
   * Runs a trial to its end, or until a stage has taken so many steps.
   *
   * @returns the figure at that step and what it is of, where it came so far
   */
  private async runOne(
    planned: PlannedTrial,
    launcher: Launcher,
    until?: Halving & { readonly step: number },
  ): Promise<Compared | undefined> {
    const { signal, keepGoing, runsRoot } = this.options;
    const { trial } = planned;
    if (signal.aborted || this.stopped) return undefined;
    if (this.skipBroken(planned)) return undefined;
    const start = performance.now();
    this.keep(planned, 'running');
    const shared = new AbortController();
    this.running.set(planned, shared);
    const pause = new AbortController();
    const ending = await runTrial(trial, {
      ...this.options,
      signal: AbortSignal.any([signal, shared.signal, pause.signal]),
      launcher,
      log: join(this.directory, `${trial.id}.log`),
      emit: (event) => {
        if (until !== undefined && hasTaken(event, until)) pause.abort();
        this.emit(event);
        if (event.type === 'trial-event') this.follow(planned, event.event);
      },
    });
    this.running.delete(planned);
    const { status, failure, record } = ending;
    const seconds = (performance.now() - start) / 1000;
    if (shared.signal.aborted && status !== 'finished' && this.skipBroken(planned, record, seconds))
      return undefined;
    if (until !== undefined && status === 'interrupted' && pause.signal.aborted) {
      const { kind } = judgedStage(planned, until);
      const place = outputPlace(runsRoot, kind.name, record.fingerprints.get(until.stage)!);
      this.keep(planned, 'waiting', record.facts);
      this.emit({ type: 'trial-compared', trial: trial.id, stage: until.stage, step: until.step });
      return figureIn(kind, place, 'partial', until);
    }
    if (status === 'failed') {
      const stage = planned.stages.find(({ stage: { id } }) => id === failure?.stage);
      if (failure?.code === failedElsewhereCode) {
        // Its own failure is told where it happened.
        const result = this.keep(planned, 'skipped', { ...record.facts, failure });
        await this.write();
        this.end(result, seconds);
        return undefined;
      }
      this.stopped ||= !keepGoing;
      if (stage) this.fail(stage, trial.id);
    }
    const result = this.keep(planned, status, { ...record.facts, ...(failure && { failure }) });
    await this.write();
    this.end(result, seconds);
    if (status !== 'finished' || until === undefined) return undefined;
    const { kind } = judgedStage(planned, until);
    const place = outputPlace(runsRoot, kind.name, record.fingerprints.get(until.stage)!);
    return figureIn(kind, place, 'directory', until);
  }

  /** Keeps up with what a trial's run says. */
  private follow(planned: PlannedTrial, event: TimedRunEvent): void {
    if (event.type === 'run-started') {
      // From now on its page can be looked at beside the others. What goes wrong with writing is told of at its end.
      this.keep(planned, 'running', { run: event.directory });
      this.write().catch(() => undefined);
      return;
    }
    this.outputs.take(planned, event);
    if (performance.now() - this.toldAtMs >= tellEveryMs) this.tellProgress();
  }

  private tellProgress(): void {
    this.toldAtMs = performance.now();
    const { finished, cached, stopped } = this.counts();
    const trials = this.options.planned.length;
    this.emit({ type: 'sweep-progress', done: finished + cached + stopped, trials, ...this.outputs.whole });
  }

  /** Notes that a stage failed for good, and stops trials that wait for the same output or are about to make it again. */
  private fail({ recipe }: PlannedStage, trial: string): void {
    this.failedStages.set(recipe, trial);
    for (const [{ stages }, interruption] of this.running)
      if (stages.some((stage) => stage.recipe === recipe)) interruption.abort();
  }

  /** True when a trial needs what failed in another one: it is skipped. */
  private skipBroken(planned: PlannedTrial, record?: TrialRecord, seconds = 0): boolean {
    const broken = planned.stages.find(({ recipe }) => this.failedStages.has(recipe));
    if (broken === undefined) return false;
    const failedIn = this.failedStages.get(broken.recipe)!;
    const message = `It needs the same output of ${broken.stage.id}, which failed in trial ${failedIn}.`;
    const failure = { message, stage: broken.stage.id };
    this.end(this.keep(planned, 'skipped', { ...record?.facts, failure }), seconds);
    return true;
  }

  private end(result: TrialResult, seconds: number): void {
    this.emit({ type: 'trial-ended', result, seconds });
    this.tellProgress();
  }

  private keep(
    planned: PlannedTrial,
    status: TrialStatus,
    { stageSeconds = {}, ...facts }: Partial<TrialFacts & TrialResult> = {},
  ): TrialResult {
    const { trial } = planned;
    const result = {
      trial: trial.id,
      values: trial.values,
      metrics: {},
      seconds: this.outputs.ownSeconds(stageSeconds),
      pages: [],
      ...facts,
      status,
      outputs: this.outputs.outputsOf(planned),
    };
    this.results.set(trial.id, result);
    return result;
  }

  private inOrder(): readonly TrialResult[] {
    return this.options.planned.map(({ trial }) => this.results.get(trial.id)!);
  }

  private counts(): SweepCounts {
    const count = (...statuses: TrialStatus[]): number =>
      [...this.results.values()].filter(({ status }) => statuses.includes(status)).length;
    return {
      finished: count('finished'),
      cached: count('cached'),
      failed: count('failed', 'skipped'),
      timedOut: count('timed-out'),
      stopped: count('stopped'),
      left: count('waiting', 'running', 'interrupted'),
    };
  }

  private get csv(): string {
    return join(this.directory, 'sweep.csv');
  }

  private get json(): string {
    return join(this.directory, resultsName);
  }

  /** Writes the tables, one time after the other. */
  private write(): Promise<void> {
    this.written = this.written.catch(() => undefined).then(() => this.writeNow());
    return this.written;
  }

  private async writeNow(): Promise<void> {
    const { pipeline, forced } = this.options;
    const results = { ...this.table, forced, trials: this.inOrder() };
    await writeResults({ csv: this.csv, json: this.json }, pipeline, results);
  }
}

/** Facts that an earlier call of the sweep knew of a trial that halving has stopped. */
function factsOf(result: TrialResult | undefined): Partial<TrialResult> {
  if (result?.stopped === undefined) return {};
  const { run, metrics, seconds, pages } = result;
  return { metrics, seconds, pages, ...(run !== undefined && { run }) };
}

/** True for the progress of a trial whose stage has taken the steps after which it is compared. */
function hasTaken(
  event: SweepEvent,
  { stage, step }: Pick<Halving, 'stage'> & { readonly step: number },
): boolean {
  if (event.type !== 'trial-event' || event.event.type !== 'stage-event' || event.event.stage !== stage)
    return false;
  const { event: told } = event.event;
  return isProgress(told) && told.unit === 'steps' && told.done >= step && told.done < told.total;
}
