import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { concat, defer, finalize, from, ignoreElements, merge, mergeMap, Observable, of } from 'rxjs';
import { writePlain } from '../../base/files.js';
import type { StageContext, StageEvent, StageWorkers } from '../../runner/stage.js';
import { tellOnce } from '../../tensorflow/engine-choice.js';
import {
  chromeTrace,
  costliest,
  engineKind,
  engineNotices,
  forgetPeakGpuMemory,
  forgetPeakMemory,
  gpuMemory,
  peakMemoryBytes,
  recordSteps,
  startEngine,
  type StepStats,
  WorkerServer,
} from '../../tensorflow/index.js';

/**
 * Does a stage's work once what computes is ready. Keeps with the output what computed it, and why that is not what one
 * may expect, which is told once a process.
 */
export function onEngine(
  { runtime, profile }: Pick<StageContext, 'runtime' | 'profile'>,
  work: () => Observable<StageEvent>,
): Observable<StageEvent> {
  return defer(() => startEngine(runtime)).pipe(
    mergeMap(({ computesOn, warnings }) => {
      // Peak memory is told of each stage: that of the stages before it is none of its own.
      forgetPeakMemory();
      if (engineKind() === 'native') forgetPeakGpuMemory();
      const values = { computedOn: computesOn, ...(warnings.length > 0 && { warnings: warnings.join(' ') }) };
      return concat(
        from(
          tellOnce(warnings).map((message): StageEvent => ({ type: 'notice', level: 'warning', message })),
        ),
        toldMeanwhile(profile === undefined ? defer(work) : profiled(profile, work)),
        of<StageEvent>({ type: 'summary', measured: true, values }),
      );
    }),
  );
}

/** The most that was in memory since the stage began: of the GPU where one computes, else of this process. */
export function peakBytes(): number {
  return (engineKind() === 'native' ? gpuMemory()?.peak : undefined) ?? peakMemoryBytes();
}

/** The events of a stage's work, and what the engine tells while it goes on. */
function toldMeanwhile(work: Observable<StageEvent>): Observable<StageEvent> {
  return new Observable((subscriber) => {
    const telling = engineNotices.subscribe((message) => {
      subscriber.next({ type: 'notice', level: 'warning', message });
    });
    telling.add(work.subscribe(subscriber));
    return telling;
  });
}

/** Does a stage's work; records its first steps as a Chrome trace, and tells what they spent their time on. */
function profiled(
  { steps, file }: NonNullable<StageContext['profile']>,
  work: () => Observable<StageEvent>,
): Observable<StageEvent> {
  return defer(() => {
    const recording = recordSteps(steps);
    const report = from(recording.done).pipe(
      mergeMap((recorded) => written(file, recorded)),
      mergeMap((lines) => from(lines)),
    );
    const finish = () => {
      recording.stop();
    };
    return merge(report, defer(work).pipe(finalize(finish)));
  });
}

async function written(file: string, steps: readonly StepStats[]): Promise<StageEvent[]> {
  const notice = (message: string): StageEvent => ({ type: 'notice', level: 'info', message });
  if (steps.length === 0)
    return [notice('There is no profile: no compiled steps were run after the first two.')];
  await mkdir(dirname(file), { recursive: true });
  await writePlain(file, chromeTrace(steps));
  return [`Profile of ${steps.length} steps, for ui.perfetto.dev: ${file}`, ...costliest(steps)].map(notice);
}

/** The samples of a global batch that one worker computes. */
export interface BatchShare {
  /** Place of its first sample in the global batch. */
  readonly first: number;
  readonly size: number;
}

/** Share of a global batch that this worker computes: all of it where there is one. The batch divides between them. */
export function batchShare(globalBatch: number, workers: StageWorkers | undefined): BatchShare {
  if (workers === undefined) return { first: 0, size: globalBatch };
  const size = globalBatch / workers.size;
  return { first: workers.rank * size, size };
}

/** Units of work, from `first` to before `end`. */
export interface Share {
  readonly first: number;
  readonly end: number;
}

/** A worker's share of units of work that do not depend on each other: successive ones, by its rank alone. */
export function shareOf(units: number, { rank, size }: Pick<StageWorkers, 'rank' | 'size'>): Share {
  return { first: Math.floor((rank * units) / size), end: Math.floor(((rank + 1) * units) / size) };
}

/**
 * Work that the workers of a stage share out. Each does its own part. The first then waits for the others, does what is
 * left, of an interrupted run for instance, and puts all together. A stage that runs alone does the latter only.
 */
export function sharedOut(
  { workers }: Pick<StageContext, 'workers'>,
  ownPart: (workers: StageWorkers) => Observable<StageEvent>,
  whole: () => Observable<StageEvent>,
): Observable<StageEvent> {
  if (workers === undefined) return defer(whole);
  const own = defer(() => ownPart(workers));
  if (workers.rank > 0) return own;
  return concat(own, defer(() => workers.othersDone()).pipe(ignoreElements()), defer(whole));
}

/** True when this process writes what belongs to the whole output. */
export function isFirstWorker({ workers }: Pick<StageContext, 'workers'>): boolean {
  return workers === undefined || workers.rank === 0;
}

/** The server through which this worker's sessions reach the others; none where it is alone. */
export function workerServer({ workers, runtime }: StageContext): WorkerServer | undefined {
  return workers && new WorkerServer(workers, runtime);
}
