import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  catchError,
  concat,
  defer,
  finalize,
  from,
  ignoreElements,
  mergeMap,
  type Observable,
  of,
  throwError,
  timer,
} from 'rxjs';
import { UserError } from '../base/errors.js';
import { processesOf } from '../runner/plan/describe.js';
import { executeHere } from '../runner/run/expected-reads.js';
import type { RuntimeConfig, StageContext, StageEvent, StageExecutor, StageWork } from '../runner/stage.js';
import { socketAddresses } from '../tensorflow/socket-exchange.js';
import { type Cluster, isOnOneMachine, placeOnMachine } from './cluster.js';
import { deviceEnvironment, gpuOf, gpusHere } from './device-environment.js';
import type { ClusterLeader } from './leader.js';
import { startLocalWorker, type WorkerProgram } from './local-worker.js';
import { supervise } from './supervise.js';
import { taskOf } from './task.js';
import type { Worker } from './worker.js';

/** Workers of one stage and where their servers listen. */
interface Team {
  readonly workers: readonly Worker[];
  readonly addresses: readonly string[];
  /** Computing threads of each; 0 takes one for each core. */
  readonly threads: number;
  /** Folder of their sockets, for as long as they work. */
  readonly folder?: string;
}

/** Variables that make NCCL, whose processes meet at a port, listen where no other machine reaches it. */
const loopbackOnly = { NCCL_SOCKET_IFNAME: '=lo' };

const firstPauseMs = 2_000;
const longestPauseMs = 60_000;

/**
 * Runs stages that several workers can run together as `runtime.workers` processes: all on this machine, or one in each
 * process of a cluster. After a worker's death the stage starts again, `runtime.retries` times, from what was
 * saved. A stage that has GPUs of its own runs in processes that see these alone; others run in this process.
 */
export function distributedExecutor(program: WorkerProgram, leader?: ClusterLeader): StageExecutor {
  return (work) => {
    const { runtime, devices } = work.context;
    if (processesOf(work.kind, runtime) === 1 && devices === undefined) return executeHere(work);
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
    mergeMap(({ workers, addresses, threads, folder }) => {
      for (const worker of workers)
        worker.send({ type: 'work', task: taskOf(work, worker.rank, addresses, threads) });
      return supervise(workers, work.context.signal).pipe(
        finalize(() => {
          if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
        }),
      );
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

const passing = new Set([
  'worker-died',
  'worker-hangs',
  'workers-stalled',
  'workers-disconnected',
  'worker-port-taken',
]);

/** True when trying again may help: a worker died or hung, or its port was taken. */
function mayPass(error: unknown): error is UserError {
  return error instanceof UserError && passing.has(error.code);
}

async function localTeam(program: WorkerProgram, { kind, context }: StageWork): Promise<Team> {
  const { runtime, devices } = context;
  const { device, threads } = runtime;
  const size = processesOf(kind, runtime);
  const { folder, addresses } = await sockets(size);
  // Others may compute on the other GPUs.
  const atOnce = devices === undefined ? size : Math.max(size, gpusHere(device).length);
  const environmentOf = (index: number): Readonly<Record<string, string>> =>
    devices === undefined
      ? deviceEnvironment({ index, size }, device)
      : gpuOf({ index, size }, devices.length, { CUDA_VISIBLE_DEVICES: devices.join(',') });
  return {
    folder,
    addresses,
    threads: threads > 0 ? threads : Math.max(1, Math.floor(availableParallelism() / atOnce)),
    workers: addresses.map((_, rank) =>
      startLocalWorker(program, rank, { ...environmentOf(rank), ...loopbackOnly }),
    ),
  };
}

/** Makes sockets for workers of one machine: in a folder that nobody else may enter. */
async function sockets(size: number): Promise<Required<Pick<Team, 'folder' | 'addresses'>>> {
  const folder = await mkdtemp(join(tmpdir(), 'pipeline-workers-'));
  return { folder, addresses: socketAddresses(folder, size) };
}

/** Environment of this process's worker in a cluster: the processes of a machine share out its GPUs. */
export function clusterEnvironment(
  cluster: Cluster,
  device: RuntimeConfig['device'],
): Readonly<Record<string, string>> {
  return {
    ...deviceEnvironment(placeOnMachine(cluster), device),
    ...(isOnOneMachine(cluster) && loopbackOnly),
  };
}

async function clusterTeam(
  program: WorkerProgram,
  leader: ClusterLeader,
  { signal, runtime }: StageContext,
): Promise<Team> {
  await leader.everyone(signal);
  const { cluster, size } = leader;
  const number = leader.nextAttempt();
  return {
    ...(isOnOneMachine(cluster) ? await sockets(size) : { addresses: cluster.addresses }),
    threads: runtime.threads,
    workers: cluster.addresses.map((_, rank) =>
      rank === 0
        ? startLocalWorker(program, rank, clusterEnvironment(cluster, runtime.device))
        : leader.startWorker(rank, number, runtime.device),
    ),
  };
}
