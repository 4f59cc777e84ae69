import type { Observable } from 'rxjs';
import { isAbortError } from '../../base/streams.js';
import { type Cluster, describedCluster, isOnOneMachine } from '../../distributed/cluster.js';
import { checkGpuPerWorker, gpusHere } from '../../distributed/device-environment.js';
import { clusterEnvironment, distributedExecutor } from '../../distributed/execute.js';
import { followLeader } from '../../distributed/follow.js';
import { ClusterLeader } from '../../distributed/leader.js';
import { startLocalWorker, thisProgram } from '../../distributed/local-worker.js';
import { LockDiffersError } from '../../runner/lock/compare.js';
import { readLock } from '../../runner/lock/lock-file.js';
import type { Pipeline } from '../../runner/pipeline.js';
import type { Machine } from '../../runner/placement.js';
import type { TimedRunEvent } from '../../runner/run/events.js';
import { runPipeline } from '../../runner/run/run-pipeline.js';
import { findRunsRoot } from '../../runner/runs-root.js';
import { availableMemory } from '../../stages/shared/memory.js';
import { checkEngine, tellOnce } from '../../tensorflow/engine-choice.js';
import { reportLockDifferences } from '../errors.js';
import { loadWithSources, reportMissing, showDiagnostics } from '../load.js';
import type { RunCommandOptions } from '../options.js';
import { jsonRenderer, plainRenderer, type Renderer } from '../renderers/plain.js';
import { terminalRenderer } from '../renderers/terminal.js';
import { commandPath, exitCodes, onInterrupt, say, type Services, usesColor } from '../services.js';

/** `pipeline run`: runs a file and shows it. Gives the exit code. */
export function run(file: string, options: RunCommandOptions, services: Services): Promise<number> {
  return inCluster(services, (leader) => runFile(file, options, services, leader));
}

/** `--set` options with which every stage is run by all processes of a cluster; undefined where the file is invalid. */
async function clusterSettings(
  file: string,
  set: readonly string[],
  services: Services,
  { size }: ClusterLeader,
): Promise<readonly string[] | undefined> {
  const all = [...set, `runtime.workers=${size}`];
  const loaded = await loadWithSources(file, all, services);
  if (loaded === undefined) return undefined;
  const own = [...loaded.pipeline.stages.values()].filter(({ own }) => own?.runtime?.workers !== undefined);
  return [...all, ...own.map(({ id }) => `stages.${id}.runtime.workers=${size}`)];
}

/** Runs a file in this process, or in those that a leader leads; `onEvent` gets what is shown. Gives the exit code. */
export async function runFile(
  file: string,
  options: RunCommandOptions,
  services: Services,
  leader: ClusterLeader | undefined,
  onEvent: (event: TimedRunEvent) => void = () => undefined,
): Promise<number> {
  const set = leader === undefined ? options.set : await clusterSettings(file, options.set, services, leader);
  const loaded = set && (await loadWithSources(file, set, services));
  if (set === undefined || loaded === undefined) return exitCodes.invalid;
  await showDiagnostics(loaded.warnings, services);
  const { pipeline, sources } = loaded;
  if (leader === undefined) checkGpuPerWorker(pipeline, services.env);
  if (pipeline.sweep && options.json !== true)
    say(
      services.stdout,
      `This runs the file's own values. Its sweep is run by: npx pipeline sweep ${commandPath(pipeline.file)}\n`,
    );
  if (options.pull !== undefined) {
    const { pullFirst } = await import('./remote.js');
    const exitCode = await pullFirst(options.pull, file, { ...options, set, only: 'file' }, services);
    if (exitCode !== undefined) return exitCode;
  }
  const locked = options.locked === true ? await readLock(pipeline.file) : undefined;
  const registry = await services.loadRegistry();
  const start = (signal: AbortSignal) =>
    runPipeline({
      ...{ pipeline, registry, set, sources, locked },
      runsRoot: findRunsRoot(pipeline.file, options.runs, services.env),
      until: options.until,
      force: options.force,
      forcedSince: options.forcedSince,
      execute: distributedExecutor(thisProgram(), leader),
      profileSteps: options.profile,
      checkEngine: (runtime) => {
        const { computesOn, warnings } = checkEngine(runtime);
        return { computesOn, warnings: tellOnce(warnings) };
      },
      machine: leader === undefined ? () => machineOf(pipeline, services.env) : undefined,
      writeLock: options.lock && isWhole(options),
      signal: leader === undefined ? signal : AbortSignal.any([signal, leader.interruption]),
    });
  return showRun(start, options, services, onEvent).catch((error: unknown) =>
    error instanceof LockDiffersError
      ? reportLockDifferences(error, sources, services)
      : reportMissing(error, loaded, services),
  );
}

/** Starts a run and shows it to its end; interrupts it when the user asks for that. Gives the exit code. */
export async function showRun(
  start: (signal: AbortSignal) => Observable<TimedRunEvent>,
  options: Pick<RunCommandOptions, 'json'>,
  services: Services,
  onEvent: (event: TimedRunEvent) => void,
): Promise<number> {
  const renderer = chooseRenderer(options, services);
  const interrupts = onInterrupt(() => {
    renderer.stopping();
  }, services.forceExit);
  let last: TimedRunEvent | undefined;
  try {
    await start(interrupts.signal).forEach((event) => {
      last = event;
      renderer.show(event);
      onEvent(event);
    });
  } finally {
    interrupts.release();
    renderer.end();
  }
  return exitCode(last);
}

/** The GPUs and the memory that stages share. */
function machineOf({ runtime }: Pipeline, env: NodeJS.ProcessEnv): Machine {
  return { devices: gpusHere(runtime.device, env), bytes: availableMemory() };
}

/** True when the file runs as it is: only then does the lock beside it describe the run. */
function isWhole({ set, until, locked }: RunCommandOptions): boolean {
  return set.length === 0 && until === undefined && locked !== true;
}

function exitCode(last: TimedRunEvent | undefined): number {
  switch (last?.type) {
    case 'run-finished':
      return exitCodes.done;
    case 'run-interrupted':
      return exitCodes.interrupted;
    default:
      return exitCodes.failed;
  }
}

function chooseRenderer(
  options: Pick<RunCommandOptions, 'json'>,
  { stdout, stderr, env }: Services,
): Renderer {
  if (options.json === true) return jsonRenderer(stdout);
  if (stdout.isTTY && env.TERM !== 'dumb' && !env.CI)
    return terminalRenderer(stdout, stderr, { color: usesColor(stdout, env) });
  return plainRenderer(stdout, stderr);
}

/**
 * Lets the first process of a cluster do `work`, and the others what it asks for; a process that stands alone does it
 * by itself. All have the same exit code.
 */
export async function inCluster(
  services: Services,
  work: (leader: ClusterLeader | undefined) => Promise<number>,
): Promise<number> {
  const cluster = describedCluster(services.env);
  if (cluster === undefined) return work(undefined);
  if (cluster.rank > 0) return follow(cluster, services);
  if (!isOnOneMachine(cluster))
    say(
      services.stderr,
      `warning: ${cluster.addresses.length} processes (${cluster.source}) exchange without encryption or password, and listen on all interfaces of their machines: whoever reaches their ports can run code as you. Keep them within a network that you trust (docs/workers.md).\n`,
    );
  const leader = await ClusterLeader.listen(cluster);
  let exitCode: number = exitCodes.failed;
  try {
    exitCode = await work(leader);
    return exitCode;
  } finally {
    await leader.end(exitCode);
  }
}

async function follow(cluster: Cluster, { stdout, forceExit }: Services): Promise<number> {
  const { rank, addresses, control, source } = cluster;
  const interrupts = onInterrupt(() => undefined, forceExit);
  say(stdout, `Process ${rank} of ${addresses.length} (${source}): works for process 0 at ${control}.\n`);
  try {
    return await followLeader(
      cluster,
      (device) => startLocalWorker(thisProgram(), rank, clusterEnvironment(cluster, device)),
      interrupts.signal,
    );
  } catch (error) {
    // Before process 0 was there to be told.
    if (isAbortError(error)) return exitCodes.interrupted;
    throw error;
  } finally {
    interrupts.release();
  }
}
