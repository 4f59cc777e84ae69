import { join } from 'node:path';
import { Observable } from 'rxjs';
import { abortError, isAbortError } from '../../base/streams.js';
import { onDamaged } from '../../base/sealed.js';
import { noteFile } from '../gc/known-files.js';
import { refuseDifferences, refuseOutput } from '../lock/compare.js';
import { keepLock, type Lock } from '../lock/lock-file.js';
import type { Origin } from '../pipeline.js';
import type { Machine } from '../placement.js';
import { makePlan, type Plan, type PlannedStage, type PlanOptions, settle } from '../plan/plan.js';
import { expectedTimes } from '../plan/time.js';
import { selectStages } from '../plan/select.js';
import type { RuntimeConfig, StageExecutor, StageOutput } from '../stage.js';
import { type Manifest, outputContent } from '../store/manifest.js';
import { History } from '../store/session.js';
import { earlierForcing } from './earlier-forcing.js';
import type { RunEvent, StageOutlook, TimedRunEvent } from './events.js';
import { executeHere } from './expected-reads.js';
import { createRunFolder, pointTo } from './run-folder.js';
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
  return new Observable((subscriber) => {
    const controller = new AbortController();
    const signal = AbortSignal.any([options.signal, controller.signal]);
    const tell = (event: TimedRunEvent): void => {
      subscriber.next(event);
    };
    /** Absent until the run has a folder: what is told before is written nowhere. */
    const told: { record?: RunRecord } = {};
    const end = onDamaged((message) => {
      emitAnyway({ type: 'record-damaged', message }, told.record, tell);
    });
    execute({ ...options, signal }, tell, (record) => (told.record = record))
      .finally(end)
      .then(
        () => {
          subscriber.complete();
        },
        (error: unknown) => {
          subscriber.error(error);
        },
      );
    return () => {
      controller.abort(new DOMException('The run was abandoned.', 'AbortError'));
    };
  });
}

/** Tells an event even where it cannot be written down, such as on a full disk. */
function emitAnyway(
  event: RunEvent,
  record: RunRecord | undefined,
  tell: (event: TimedRunEvent) => void,
): void {
  const timed = { time: new Date().toISOString(), ...event };
  try {
    record?.add(timed);
  } catch {
    // What is being told is why.
  }
  tell(timed);
}

async function execute(
  options: RunOptions,
  tell: (event: TimedRunEvent) => void,
  begun: (record: RunRecord) => void,
): Promise<void> {
  const { pipeline, runsRoot, signal } = options;
  const start = performance.now();
  const seconds = (): number => (performance.now() - start) / 1000;
  // A name that is wrong leaves no run behind.
  selectStages(pipeline, options.until, options.force ?? []);
  const asked = { set: options.set ?? [], until: options.until, force: options.force ?? [] };
  const continues =
    options.forcedSince === undefined ? await earlierForcing(runsRoot, pipeline, asked) : undefined;
  const folder = await createRunFolder(runsRoot, pipeline, options.sources);
  await noteFile(runsRoot, pipeline.file).catch((error: unknown) => {
    throw asStorageError(error, runsRoot);
  });
  const record = new RunRecord(folder, {
    pipeline: pipeline.name,
    file: pipeline.file,
    options: { ...asked, forcedSince: options.forcedSince ?? continues?.since },
  });
  begun(record);
  const emit = (event: RunEvent): void => {
    const timed = { time: new Date().toISOString(), ...event };
    record.add(timed);
    tell(timed);
  };
  const { profileSteps: steps } = options;
  const profileOf = (stage: string) =>
    steps === undefined
      ? undefined
      : { steps, file: join(folder.directory, 'profiles', `${stage}.trace.json`) };
  /** Stages that were interrupted. */
  const stopped = new Set<string>();
  try {
    const plan = await makePlan({
      ...options,
      continues,
      forcedSince: options.forcedSince ?? folder.startedAt,
      onInputProgress: (progress) => {
        emit({ type: 'reading-inputs', ...progress });
      },
    });
    if (plan.forcedSince === folder.startedAt) record.forcesAnew();
    if (options.locked !== undefined) refuseDifferences(plan, options.locked);
    await checkStages(plan);
    const room = await roomFor(plan, options.machine);
    const computes = plan.stages.some(({ kind, reasons }) => kind.dependsOnEngine && reasons.length > 0);
    const engine = computes ? options.checkEngine?.(pipeline.runtime) : undefined;
    emit({
      type: 'run-started',
      pipeline: pipeline.name,
      file: pipeline.file,
      directory: folder.directory,
      stages: outlook(plan, await expectedTimes(plan)),
      ...(engine && { computesOn: engine.computesOn }),
      ...(engine && engine.warnings.length > 0 && { warnings: engine.warnings }),
    });
    const history = await History.open(runsRoot, pipeline.name);
    const outputs = new Map<string, StageOutput>();
    const manifests = new Map<string, Manifest>();
    const running = new Set<string>();
    const failed: string[] = [];
    let ran = 0;
    const makeStage = async (expected: PlannedStage, devices: readonly string[]): Promise<void> => {
      const { id, kind } = expected.stage;
      const planned = await settle(plan, expected, manifests, history, signal);
      const profile = profileOf(id);
      const manifest = await runStage({
        runsRoot,
        planned,
        work: stageWork(plan, planned, outputs, {
          signal,
          ...(profile && { profile }),
          ...(devices.length > 0 && { devices }),
        }),
        execute: options.execute ?? executeHere,
        forcedSince: plan.forcedSince,
        log: record.logOf(id),
        emit: (event) => {
          if (event.type === 'stage-finished') ran++;
          emit(event);
        },
      });
      outputs.set(id, stageOutput(planned, manifest));
      await pointTo(join(folder.directory, id), planned.place.directory);
      manifests.set(id, manifest);
      const content = outputContent(planned.kind, manifest);
      await history.add({ stage: id, kind, fingerprint: manifest.fingerprint, content });
      if (options.locked !== undefined) refuseOutput(pipeline.file, options.locked, id, manifest);
    };
    const fail = (id: string, error: unknown): void => {
      failed.push(id);
      const others = [...running];
      emitAnyway(
        {
          type: 'stage-failed',
          stage: id,
          failure: describeFailure(error, runsRoot),
          log: record.logOf(id),
          ...(others.length > 0 && !signal.aborted && { running: others }),
        },
        record,
        tell,
      );
    };
    await runInTurn(plan.stages, room, signal, async (expected, devices) => {
      const { id } = expected.stage;
      running.add(id);
      try {
        await makeStage(expected, devices);
      } catch (error) {
        running.delete(id);
        if (isInterruption(error, signal)) stopped.add(id);
        else fail(id, error);
        return false;
      }
      running.delete(id);
      if (expected.reasons.length === 0) return true;
      // What a stage has found may tell that a later one cannot run: before those between them compute.
      const isWaiting = (other: string) => !manifests.has(other) && !running.has(other);
      const refused = await refusedStage(plan, outputs, isWaiting);
      if (refused !== undefined) fail(refused.id, refused.error);
      return refused === undefined;
    });
    if (stopped.size > 0 || (failed.length === 0 && manifests.size < plan.stages.length))
      throw abortError(signal);
    if (failed.length > 0) {
      emitAnyway({ type: 'run-failed', seconds: seconds(), stage: failed[0]! }, record, tell);
      return;
    }
    emit({
      type: 'run-finished',
      seconds: seconds(),
      ran,
      cached: plan.stages.length - ran,
      pages: pages(outputs),
      ...(options.writeLock === true && { lock: await keepLock(plan, manifests) }),
    });
  } catch (error) {
    if (!isInterruption(error, signal)) {
      record.abandon();
      throw asStorageError(error, runsRoot);
    }
    const stages = [...pipeline.stages.keys()].filter((id) => stopped.has(id));
    emitAnyway({ type: 'run-interrupted', seconds: seconds(), stages }, record, tell);
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
