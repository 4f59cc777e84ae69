import { join } from 'node:path';
import type { Observable } from 'rxjs';
import { abortError, fromWork, isAbortError } from '../../base/streams.js';
import { onDamaged } from '../../base/sealed.js';
import { noteFile } from '../gc/known-files.js';
import { refuseDifferences, refuseOutput } from '../lock/compare.js';
import { keepLock, type Lock } from '../lock/lock-file.js';
import type { Origin } from '../pipeline.js';
import type { Machine } from '../placement.js';
import { makePlan, settle } from '../plan/plan.js';
import type { EarlierForcing, Plan, PlannedStage, PlanOptions } from '../plan/plan.js';
import { expectedTimes } from '../plan/time.js';
import { selectStages } from '../plan/select.js';
import type { RuntimeConfig, StageExecutor, StageOutput } from '../stage.js';
import { type Manifest, outputContent } from '../store/manifest.js';
import { History } from '../store/session.js';
import { earlierForcing } from './earlier-forcing.js';
import type { RunEvent, StageOutlook, TimedRunEvent } from './events.js';
import { executeHere } from './expected-reads.js';
import { createRunFolder, pointTo, type RunFolder } from './run-folder.js';
import { RunRecord } from './run-record.js';
import { asStorageError, describeFailure, runStage } from './run-stage.js';
import { roomFor, runInTurn } from './schedule.js';
import { checkStages, refusedStage, stageOutput, stageWork } from './stage-context.js';

export interface RunOptions extends Omit<PlanOptions, 'onInputProgress'> {
  /** Interrupts the run: stages that are running save what they must, and a later run continues them. */
  readonly signal: AbortSignal;
  /** Executor of stages; in this process, where left out. */
  readonly execute?: StageExecutor;
  /** The `--set` options that went into the pipeline, to be recorded. */
  readonly set?: readonly string[];
  /** Place at which each value of the pipeline was written, to be recorded. */
  readonly sources?: ReadonlyMap<string, Origin>;
  /** Refuses whatever is not as this lock has it: before anything runs, and after each stage its output. */
  readonly locked?: Lock | undefined;
  /**
   * Throws where what is to run could not compute here, before anything runs; gives what is to be told first: the device,
   * and what computes otherwise than one may expect. Asked only where a stage that computes will run.
   */
  readonly checkEngine?: (runtime: RuntimeConfig) => {
    readonly computesOn: string;
    readonly warnings: readonly string[];
  };
  /**
   * Machine that stages share which do not need each other. Where that has several GPUs, each of those that compute runs on one of
   * its own, or as many as it has workers, at the same time as others as far as memory allows: `execute` must then do as
   * `StageContext.devices` says. Asked only where there are such stages. Left out, one stage runs at a time.
   */
  readonly machine?: (() => Machine) | undefined;
  /** Steps of each stage to profile; traces go to `profiles/` in the run's folder. */
  readonly profileSteps?: number | undefined;
  /** Writes the lock of the pipeline when all of it has run. */
  readonly writeLock?: boolean;
}

/**
 * Runs a pipeline: its stages in order, of which only those without a cached output do anything. When one fails no more
 * start, and those that run beside it go on to their end. The stream ends with `run-finished`, `run-failed` or
 * `run-interrupted`; it fails only where there is no run yet that could fail (its folder
 * cannot be made, an external input is missing). Unsubscribing interrupts the run as well.
 */
export function runPipeline(options: RunOptions): Observable<TimedRunEvent> {
  return fromWork((tell, abandoned) => {
    const events = new RunEvents(tell);
    const end = onDamaged((message) => {
      events.emitAnyway({ type: 'record-damaged', message });
    });
    const signal = AbortSignal.any([options.signal, abandoned]);
    return PipelineRun.begin({ ...options, signal }, events)
      .then((run) => run.toItsEnd())
      .finally(end);
  });
}

/** Tells the events of a run, and writes them down. */
class RunEvents {
  /** Absent until the run has a folder: what is told before is written nowhere. */
  record: RunRecord | undefined;

  constructor(private readonly tell: (event: TimedRunEvent) => void) {}

  emit(event: RunEvent): void {
    const timed = { time: new Date().toISOString(), ...event };
    this.record?.add(timed);
    this.tell(timed);
  }

  /** Tells an event even where it cannot be written down, such as on a full disk. */
  emitAnyway(event: RunEvent): void {
    const timed = { time: new Date().toISOString(), ...event };
    try {
      this.record?.add(timed);
    } catch {
      // What is being told is why.
    }
    this.tell(timed);
  }
}

/** A run that has its folder. */
class PipelineRun {
  private readonly outputs = new Map<string, StageOutput>();
  private readonly manifests = new Map<string, Manifest>();
  private readonly running = new Set<string>();
  /** Stages that were interrupted. */
  private readonly stopped = new Set<string>();
  private readonly failed: string[] = [];
  private ran = 0;

  private constructor(
    private readonly options: RunOptions,
    private readonly events: RunEvents,
    private readonly folder: RunFolder,
    private readonly record: RunRecord,
    private readonly continues: EarlierForcing | undefined,
    private readonly startedMs: number,
  ) {}

  /** Makes its folder, and begins to write it down there. */
  static async begin(options: RunOptions, events: RunEvents): Promise<PipelineRun> {
    const { pipeline, runsRoot, set = [], until, force = [], forcedSince } = options;
    const startedMs = performance.now();
    // A name that is wrong leaves no run behind.
    selectStages(pipeline, until, force);
    const asked = { set, until, force };
    const continues = forcedSince === undefined ? await earlierForcing(runsRoot, pipeline, asked) : undefined;
    const folder = await createRunFolder(runsRoot, pipeline, options.sources);
    await noteFile(runsRoot, pipeline.file).catch((error: unknown) => {
      throw asStorageError(error, runsRoot);
    });
    const record = new RunRecord(folder, {
      pipeline: pipeline.name,
      file: pipeline.file,
      options: { ...asked, forcedSince: forcedSince ?? continues?.since },
    });
    events.record = record;
    return new PipelineRun(options, events, folder, record, continues, startedMs);
  }

  /** Makes its stages' outputs, and tells how it ended. */
  async toItsEnd(): Promise<void> {
    const { pipeline, runsRoot, signal } = this.options;
    try {
      const plan = await this.plan();
      const room = await roomFor(plan, this.options.machine);
      await this.tellStart(plan);
      const history = await History.open(runsRoot, pipeline.name);
      await runInTurn(plan.stages, room, signal, (stage, devices) =>
        this.attempt(stage, plan, history, devices),
      );
      const isShort = this.failed.length === 0 && this.manifests.size < plan.stages.length;
      if (this.stopped.size > 0 || isShort) throw abortError(signal);
      await this.tellEnd(plan);
    } catch (error) {
      if (!isInterruption(error, signal)) {
        this.record.abandon();
        throw asStorageError(error, runsRoot);
      }
      const stages = [...pipeline.stages.keys()].filter((id) => this.stopped.has(id));
      this.events.emitAnyway({ type: 'run-interrupted', seconds: this.seconds, stages });
    }
  }

  private get seconds(): number {
    return (performance.now() - this.startedMs) / 1000;
  }

  /** Plans what is to be made, and refuses what cannot be. */
  private async plan(): Promise<Plan> {
    const { options, folder } = this;
    const plan = await makePlan({
      ...options,
      continues: this.continues,
      forcedSince: options.forcedSince ?? folder.startedAt,
      onInputProgress: (progress) => {
        this.events.emit({ type: 'reading-inputs', ...progress });
      },
    });
    if (plan.forcedSince === folder.startedAt) this.record.forcesAnew();
    if (options.locked !== undefined) refuseDifferences(plan, options.locked);
    await checkStages(plan);
    return plan;
  }

  private async tellStart(plan: Plan): Promise<void> {
    const { pipeline, checkEngine } = this.options;
    const computes = plan.stages.some(({ kind, reasons }) => kind.dependsOnEngine && reasons.length > 0);
    const engine = computes ? checkEngine?.(pipeline.runtime) : undefined;
    this.events.emit({
      type: 'run-started',
      pipeline: pipeline.name,
      file: pipeline.file,
      directory: this.folder.directory,
      stages: outlook(plan, await expectedTimes(plan)),
      ...(engine && { computesOn: engine.computesOn }),
      ...(engine && engine.warnings.length > 0 && { warnings: engine.warnings }),
    });
  }

  private async tellEnd(plan: Plan): Promise<void> {
    const { seconds, ran } = this;
    const [failed] = this.failed;
    if (failed !== undefined) {
      this.events.emitAnyway({ type: 'run-failed', seconds, stage: failed });
      return;
    }
    this.events.emit({
      ...{ type: 'run-finished', seconds, ran },
      cached: plan.stages.length - ran,
      pages: pages(this.outputs),
      ...(this.options.writeLock === true && { lock: await keepLock(plan, this.manifests) }),
    });
  }

  /** Makes a stage's output, or tells why it cannot. True where further stages may start. */
  private async attempt(
    planned: PlannedStage,
    plan: Plan,
    history: History,
    devices: readonly string[],
  ): Promise<boolean> {
    const { id } = planned.stage;
    this.running.add(id);
    try {
      await this.make(planned, plan, history, devices);
    } catch (error) {
      this.running.delete(id);
      if (isInterruption(error, this.options.signal)) this.stopped.add(id);
      else this.fail(id, error);
      return false;
    }
    this.running.delete(id);
    if (planned.reasons.length === 0) return true;
    // What a stage has found may tell that a later one cannot run: before those between them compute.
    const isWaiting = (other: string) => !this.manifests.has(other) && !this.running.has(other);
    const refused = await refusedStage(plan, this.outputs, isWaiting);
    if (refused !== undefined) this.fail(refused.id, refused.error);
    return refused === undefined;
  }

  private async make(
    expected: PlannedStage,
    plan: Plan,
    history: History,
    devices: readonly string[],
  ): Promise<void> {
    const { pipeline, runsRoot, signal, locked, profileSteps: steps, execute = executeHere } = this.options;
    const { id, kind } = expected.stage;
    const planned = await settle(plan, expected, this.manifests, history, signal);
    const file = join(this.folder.directory, 'profiles', `${id}.trace.json`);
    const manifest = await runStage({
      ...{ runsRoot, planned, execute, forcedSince: plan.forcedSince },
      work: stageWork(plan, planned, this.outputs, {
        signal,
        ...(steps !== undefined && { profile: { steps, file } }),
        ...(devices.length > 0 && { devices }),
      }),
      log: this.record.logOf(id),
      emit: (event) => {
        if (event.type === 'stage-finished') this.ran++;
        this.events.emit(event);
      },
    });
    this.outputs.set(id, stageOutput(planned, manifest));
    await pointTo(join(this.folder.directory, id), planned.place.directory);
    this.manifests.set(id, manifest);
    const content = outputContent(planned.kind, manifest);
    await history.add({ stage: id, kind, fingerprint: manifest.fingerprint, content });
    if (locked !== undefined) refuseOutput(pipeline.file, locked, id, manifest);
  }

  private fail(id: string, error: unknown): void {
    this.failed.push(id);
    const { runsRoot, signal } = this.options;
    const others = [...this.running];
    this.events.emitAnyway({
      type: 'stage-failed',
      stage: id,
      failure: describeFailure(error, runsRoot),
      log: this.record.logOf(id),
      ...(others.length > 0 && !signal.aborted && { running: others }),
    });
  }
}

const isInterruption = (error: unknown, signal: AbortSignal): boolean =>
  signal.aborted && (isAbortError(error) || error === signal.reason);

function outlook(plan: Plan, times: Awaited<ReturnType<typeof expectedTimes>>): readonly StageOutlook[] {
  const expected = (id: string) => times.get(id)?.seconds;
  return plan.stages.map(({ stage, fingerprint, reasons }) => ({
    ...(expected(stage.id) && { expectedSeconds: expected(stage.id)! }),
    stage: stage.id,
    kind: stage.kind,
    fingerprint,
    after: [...new Set(stage.references.map((reference) => reference.stage))],
    reasons,
  }));
}

/** Pages that stages name in their summaries, as paths in their outputs. */
function pages(outputs: ReadonlyMap<string, StageOutput>): readonly string[] {
  return [...outputs.values()].flatMap(({ directory, summary }) =>
    typeof summary.page === 'string' ? [join(directory, summary.page)] : [],
  );
}
