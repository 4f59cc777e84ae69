import { availableParallelism } from 'node:os';
import {
  type Observable,
  catchError,
  concat,
  defer,
  from,
  ignoreElements,
  mergeMap,
  of,
  throwError,
  timer,
} from 'rxjs';
import { UserError } from '../errors.js';
import {
  executeHere,
  type StageContext,
  type StageEvent,
  type StageExecutor,
  type StageWork,
} from '../pipeline/stage.js';
import type { ClusterLeader } from './cluster/leader.js';
import { deviceEnvironment } from './device-environment.js';
import { freePorts } from './free-ports.js';
import { type WorkerProgram, startLocalWorker } from './local-worker.js';
import { supervise } from './supervise.js';
import type { Worker } from './worker.js';
import { taskOf } from './worker-task.js';

/** Workers of one stage and where their servers listen. */
interface Team {
  readonly workers: readonly Worker[];
  readonly addresses: readonly string[];
  /** Computing threads of each; 0 takes one for each core. */
  readonly threads: number;
}

const firstPauseMs = 2_000;
const longestPauseMs = 60_000;

/**
 * Runs stages that several workers can run together as `runtime.workers` processes: all on this machine, or one in each
 * process of a cluster. After a worker's death the stage starts again, `runtime.retries` times, from what was
 * saved. Other stages run in this process.
 */
export function distributedExecutor(program: WorkerProgram, leader?: ClusterLeader): StageExecutor {
  return (work) => {
    const { runtime } = work.context;
    if (work.kind.dataParallel !== true || runtime.workers === 1) return executeHere(work);
    const gather =
      leader === undefined
        ? () => localTeam(program, work)
        : () => clusterTeam(program, leader, work.context);
    return attempt(work, gather, 0);
  };
}

function attempt(work: StageWork, gather: () => Promise<Team>, failures: number): Observable<StageEvent> {
  const { retries } = work.context.runtime;
  return defer(() => from(gather())).pipe(
    mergeMap(({ workers, addresses, threads }) => {
      for (const worker of workers)
        worker.send({ type: 'work', task: taskOf(work, worker.rank, addresses, threads) });
      return supervise(workers, work.context.signal);
    }),
    catchError((error: unknown) => {
      if (failures >= retries || !mayPass(error)) return throwError(() => error);
      const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** failures);
      const message = `${error.message} Starts again in ${pauseMs / 1000} s (${failures + 1} of ${retries}).`;
      return concat(
        of<StageEvent>({ type: 'notice', level: 'warning', message }),
        timer(pauseMs).pipe(ignoreElements()),
        attempt(work, gather, failures + 1),
      );
    }),
  );
}

const passing = new Set(['worker-died', 'worker-hangs', 'workers-stalled', 'workers-disconnected']);

/** Whether trying again may help: a worker died or hung. */
function mayPass(error: unknown): error is UserError {
  return error instanceof UserError && passing.has(error.code);
}

async function localTeam(program: WorkerProgram, { context }: StageWork): Promise<Team> {
  const { workers: size, device, threads } = context.runtime;
  const ports = await freePorts(size);
  return {
    threads: threads > 0 ? threads : Math.max(1, Math.floor(availableParallelism() / size)),
    addresses: ports.map((port) => `127.0.0.1:${port}`),
    workers: ports.map((_, rank) => startLocalWorker(program, rank, deviceEnvironment(device, rank))),
  };
}

async function clusterTeam(
  program: WorkerProgram,
  leader: ClusterLeader,
  { signal, runtime }: StageContext,
): Promise<Team> {
  await leader.everyone(signal);
  const { addresses } = leader.cluster;
  const number = leader.nextAttempt();
  return {
    addresses,
    threads: runtime.threads,
    workers: addresses.map((_, rank) =>
      rank === 0 ? startLocalWorker(program, rank, {}) : leader.startWorker(rank, number),
    ),
  };
}
