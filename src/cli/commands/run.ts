import type { ClusterLeader } from '../../distributed/cluster/leader.js';
import { checkGpuPerWorker } from '../../distributed/device-environment.js';
import { distributedExecutor } from '../../distributed/execute.js';
import { thisProgram } from '../../distributed/local-worker.js';
import {
  findRunsRoot,
  LockDiffersError,
  readLock,
  runPipeline,
  type TimedRunEvent,
} from '../../pipeline/index.js';
import { checkEngine, tellOnce } from '../../tensorflow/engine-choice.js';
import type { RunCommandOptions } from '../options.js';
import { inCluster } from '../in-cluster.js';
import { onInterrupt } from '../interrupts.js';
import { loadWithSources, reportMissing } from '../load.js';
import { reportLockDifferences } from '../lock-differences.js';
import { shortPath } from '../paths.js';
import { jsonRenderer } from '../renderers/json.js';
import { plainRenderer } from '../renderers/plain.js';
import type { Renderer } from '../renderers/renderer.js';
import { terminalRenderer } from '../renderers/terminal.js';
import { exitCodes, usesColor, type Services } from '../services.js';
import { say } from '../wrap.js';

/** `pipeline run`: runs a file and shows it. Gives the exit code. */
export function run(file: string, options: RunCommandOptions, services: Services): Promise<number> {
  return inCluster(services, (leader) => runFile(file, options, services, leader));
}

async function runFile(
  file: string,
  options: RunCommandOptions,
  services: Services,
  leader: ClusterLeader | undefined,
): Promise<number> {
  const set = leader === undefined ? options.set : [...options.set, `runtime.workers=${leader.size}`];
  const loaded = await loadWithSources(file, set, services);
  if (loaded === undefined) return exitCodes.invalid;
  const { pipeline, sources } = loaded;
  if (leader === undefined) checkGpuPerWorker(pipeline, services.env);
  if (pipeline.sweep && options.json !== true)
    say(
      services.stdout,
      `This runs the file's own values. Its sweep is run by: pipeline sweep ${shortPath(pipeline.file)}\n`,
    );
  const locked = options.locked === true ? await readLock(pipeline.file) : undefined;
  const renderer = chooseRenderer(options, services);
  const interrupts = onInterrupt(() => {
    renderer.stopping();
  }, services.forceExit);
  let last: TimedRunEvent | undefined;
  try {
    const events = runPipeline({
      pipeline,
      registry: await services.loadRegistry(),
      runsRoot: findRunsRoot(pipeline.file, options.runs, services.env),
      until: options.until,
      force: options.force,
      forcedSince: options.forcedSince,
      set,
      sources,
      execute: distributedExecutor(thisProgram(), leader),
      locked,
      profileSteps: options.profile,
      checkEngine: (runtime) => tellOnce(checkEngine(runtime)),
      writeLock: options.lock && isWhole(options),
      signal:
        leader === undefined ? interrupts.signal : AbortSignal.any([interrupts.signal, leader.interruption]),
    });
    await events.forEach((event) => {
      last = event;
      renderer.show(event);
    });
  } catch (error) {
    renderer.end();
    if (!(error instanceof LockDiffersError)) return await reportMissing(error, loaded, services);
    return reportLockDifferences(error, sources, services);
  } finally {
    interrupts.release();
    renderer.end();
  }
  return exitCode(last);
}

/** Whether what runs is the file as it is: only then is it what the lock beside it tells of. */
function isWhole({ set, until, locked }: RunCommandOptions): boolean {
  return set.length === 0 && until === undefined && locked !== true;
}

export function exitCode(last: TimedRunEvent | undefined): number {
  switch (last?.type) {
    case 'run-finished':
      return exitCodes.done;
    case 'run-interrupted':
      return exitCodes.interrupted;
    default:
      return exitCodes.failed;
  }
}

export function chooseRenderer(
  options: Pick<RunCommandOptions, 'json'>,
  { stdout, stderr, env }: Services,
): Renderer {
  if (options.json === true) return jsonRenderer(stdout);
  if (stdout.isTTY && env.TERM !== 'dumb' && !env.CI)
    return terminalRenderer(stdout, stderr, { color: usesColor(stdout, env) });
  return plainRenderer(stdout, stderr);
}
