import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { UserError } from '../../base/errors.js';
import { writeFileWhole } from '../../base/output-file.js';
import { gpusHere } from '../../distributed/device-environment.js';
import { ownCommand } from '../../distributed/local-worker.js';
import { runtimeOf } from '../../runner/pipeline.js';
import { type Demand, type Machine, Places } from '../../runner/placement.js';
import { demandOf, describeStages } from '../../runner/plan/describe.js';
import { findRunsRoot } from '../../runner/runs-root.js';
import { halvingOf } from '../../runner/sweep/halving.js';
import { type Launcher, localLauncher } from '../../runner/sweep/launcher.js';
import { columnsOf, planSweep, possibleMetrics, sharedStages } from '../../runner/sweep/plan-sweep.js';
import type { PlannedTrial } from '../../runner/sweep/plan-sweep.js';
import {
  findColumn,
  forcingOf,
  metricNames,
  parseSort,
  readResults,
  resultsName,
  sweepFolder,
} from '../../runner/sweep/results.js';
import { runSweep, type SweepOptions } from '../../runner/sweep/run-sweep.js';
import { slurmLauncher } from '../../runner/sweep/slurm-launcher.js';
import { sweptKeys, type TimedSweepEvent, type Trial, trialsOf } from '../../runner/sweep/trial.js';
import { availableMemory } from '../../stages/shared/memory.js';
import { loadWithTrials, reportMissing, showDiagnostics } from '../load.js';
import { exitCodes, onInterrupt, say, type Services, shortPath, usesColor } from '../services.js';
import type { ClosingOptions } from '../sweep/closing.js';
import { liveSweepRenderer } from '../sweep/live.js';
import { plainSweepRenderer, type SweepRenderer } from '../sweep/plain.js';
import { sweepPlanJson, sweepPlanText } from '../sweep/plan-text.js';
import { withoutEffect } from '../without-effect.js';
import { planWith, pullFirst } from './remote.js';

export interface SweepCommandOptions {
  readonly set: string[];
  readonly grid: string[];
  readonly until?: string;
  readonly force: string[];
  readonly pull?: string;
  readonly runs?: string;
  readonly plan?: boolean;
  readonly parallel?: number;
  readonly keepGoing?: boolean;
  readonly retries: number;
  readonly retryPause?: number;
  readonly timeLimit?: number;
  readonly sort?: string;
  readonly slurm?: boolean;
  readonly sbatch: string[];
  readonly json?: boolean;
}

/** `pipeline sweep`: runs every trial of a file's sweep, or shows what would run. Gives the exit code. */
export async function sweep(file: string, options: SweepCommandOptions, services: Services): Promise<number> {
  const { stdout, env, forceExit } = services;
  if (options.sbatch.length > 0 && options.slurm !== true)
    throw withoutEffect('--sbatch', 'without --slurm no job is submitted');
  if (options.retryPause !== undefined && options.retries === 0)
    throw withoutEffect('--retry-pause', 'without --retries no trial is tried again');
  const loaded = await loadWithTrials(file, options, services);
  if (loaded === undefined) return exitCodes.invalid;
  await showDiagnostics(loaded.warnings, services);
  const { pipeline } = loaded;
  if (loaded.trials === undefined) throw noSweep(pipeline.file);
  const trials = trialsOf(loaded.trials);
  const runsRoot = findRunsRoot(pipeline.file, options.runs, env);
  const forced = await forcingOf(runsRoot, pipeline.name, options.force);
  if (options.pull !== undefined && options.plan !== true) {
    const exitCode = await pullFirst(options.pull, file, { ...options, only: 'trials' }, services);
    if (exitCode !== undefined) return exitCode;
  }
  const shared = { trials, runsRoot, until: options.until, forced, registry: await services.loadRegistry() };
  const planned = await (
    options.plan === true && options.pull !== undefined
      ? planWith(options.pull, pipeline, services, (remote) => planSweep({ ...shared, ...remote }))
      : planSweep(shared)
  ).catch((error: unknown) => reportMissing(error, loaded, services));
  if (typeof planned === 'number') return planned;
  if (options.sort !== undefined) {
    const before = await readResults(join(sweepFolder(runsRoot, pipeline.name), resultsName));
    const metrics = [...possibleMetrics(planned), ...metricNames(before?.trials ?? [])];
    findColumn(parseSort(options.sort).name, sweptKeys(trials), metrics);
  }
  const halving = halvingOf(pipeline.sweep?.halving, planned);
  if (options.plan === true) {
    if (options.json === true) stdout.write(`${JSON.stringify(sweepPlanJson(pipeline, planned))}\n`);
    else say(stdout, sweepPlanText(pipeline, planned, halving, usesColor(stdout, env)));
    return exitCodes.done;
  }
  const renderer = sweepRenderer(planned, options, services);
  const demands = await demandsOf(planned);
  const machine = thisMachine(planned, env);
  const parallel = parallelOf(options, planned, machine, demands);
  const kill = new AbortController();
  const interrupts = onInterrupt(
    () => {
      renderer.stopping();
    },
    (code) => {
      if (kill.signal.aborted) forceExit(code);
      else kill.abort();
    },
  );
  let last: TimedSweepEvent | undefined;
  try {
    await runSweep({
      ...{ pipeline, planned, runsRoot, forced, halving },
      launcher: (directory) =>
        launcherOf(file, options, { runsRoot, planned, directory, forced, machine, demands, parallel }),
      parallel,
      keepGoing: options.keepGoing === true,
      retries: options.retries,
      retryPauseSeconds: options.retryPause ?? 10,
      timeLimitSeconds: options.timeLimit,
      ...{ signal: interrupts.signal, kill: kill.signal },
    }).forEach((event) => {
      last = event;
      renderer.show(event);
    });
  } finally {
    interrupts.release();
    renderer.end();
  }
  if (last !== undefined && 'json' in last) {
    const page = await writePage(last.json);
    if (options.json !== true && page !== undefined) say(stdout, `Page: ${shortPath(page)}\n`);
  }
  return exitCode(last);
}

/** Writes the page about the whole sweep beside its table. */
async function writePage(json: string): Promise<string | undefined> {
  const results = await readResults(json);
  if (results === undefined) return undefined;
  const { sweepPage } = await import('../../ui/pages/sweep-page.js');
  const file = join(dirname(json), 'sweep.html');
  await writeFileWhole(file, await sweepPage(results, { file }));
  return file;
}

function exitCode(last: TimedSweepEvent | undefined): number {
  switch (last?.type) {
    case 'sweep-finished':
      return exitCodes.done;
    case 'sweep-interrupted':
      return exitCodes.interrupted;
    default:
      return exitCodes.failed;
  }
}

/** Trials at once: on several GPUs as many as these are for, elsewhere one. */
function parallelOf(
  { parallel, slurm }: SweepCommandOptions,
  planned: readonly PlannedTrial[],
  { devices }: Machine,
  demands: ReadonlyMap<string, Demand>,
): number {
  if (parallel !== undefined) return parallel;
  if (slurm === true) return Math.max(planned.length, 1);
  const each = Math.max(1, ...Array.from(demands.values(), (demand) => demand.devices));
  return Math.max(1, Math.floor(devices.length / each));
}

/** Largest need of each trial, by its id. */
async function demandsOf(planned: readonly PlannedTrial[]): Promise<ReadonlyMap<string, Demand>> {
  const demands = new Map<string, Demand>();
  for (const { trial, stages } of planned) {
    const plan = { pipeline: trial.pipeline, stages };
    const facts = await describeStages(plan);
    const each = stages
      .filter(({ reasons }) => reasons.length > 0)
      .map((stage) => demandOf(plan, stage, facts.get(stage.stage.id)));
    demands.set(trial.id, {
      devices: Math.max(0, ...each.map(({ devices }) => devices)),
      bytes: Math.max(0, ...each.map(({ bytes }) => bytes)),
    });
  }
  return demands;
}

/** The GPUs and the memory that trials share. */
function thisMachine(planned: readonly PlannedTrial[], env: NodeJS.ProcessEnv): Machine {
  const device = planned.every(({ trial }) => trial.pipeline.runtime.device === 'cpu') ? 'cpu' : 'auto';
  return { devices: gpusHere(device, env), bytes: availableMemory() };
}

function launcherOf(
  file: string,
  options: SweepCommandOptions,
  {
    runsRoot,
    planned,
    directory,
    forced,
    machine,
    demands,
    parallel,
  }: Pick<SweepOptions, 'runsRoot' | 'planned' | 'forced' | 'parallel'> & {
    readonly directory: string;
    readonly machine: Machine;
    readonly demands: ReadonlyMap<string, Demand>;
  },
): Launcher {
  const command = {
    entry: ownCommand(),
    file,
    options: [
      ...['--no-lock', '--runs', runsRoot],
      ...(options.until === undefined ? [] : ['--until', options.until]),
      ...options.set.flatMap((option) => ['--set', option]),
      ...(forced === undefined
        ? []
        : [...forced.force.flatMap((stage) => ['--force', stage]), '--forced-since', forced.since]),
    ],
  };
  if (options.slurm === true) return slurmLauncher(command, { sbatch: options.sbatch, directory });
  const launch = localLauncher(command);
  const places = new Places(machine);
  const atOnce = Math.min(parallel, planned.length);
  return async (facts) => {
    const placed = await places.wait(demands.get(facts.trial.id)!, facts.signal).catch(() => undefined);
    // Interrupted while it waited.
    if (placed === undefined) return { code: exitCodes.interrupted };
    const env = placed.on.length > 0 ? { CUDA_VISIBLE_DEVICES: placed.on.join(',') } : {};
    try {
      return await launch({ ...facts, env, trial: withThreads(facts.trial, atOnce) });
    } finally {
      places.leave(placed);
    }
  };
}

/** Shares the processor out between trials that run at once, where the file does not say how many threads to use. */
function withThreads(trial: Trial, parallel: number): Trial {
  const { pipeline } = trial;
  const { threads } = pipeline.runtime;
  const workers = Math.max(
    ...Array.from(pipeline.stages.values(), (stage) => runtimeOf(pipeline, stage).workers),
  );
  if (parallel < 2 || threads !== 0) return trial;
  const share = Math.max(1, Math.floor(availableParallelism() / (parallel * workers)));
  return { ...trial, set: [...trial.set, `runtime.threads=${share}`] };
}

const noSweep = (file: string): UserError =>
  new UserError({
    code: 'no-sweep',
    usage: true,
    message: `${shortPath(file)} has no \`sweep\`.`,
    remedy: 'Add one, such as `sweep: { grid: { seed: [0, 1, 2] } }`, or vary a key here: --grid seed=0,1,2',
  });

/** The renderer for where the output goes: events for programs, a live view for a terminal, lines for everything else. */
export function sweepRenderer(
  planned: readonly PlannedTrial[],
  options: { readonly json?: boolean; readonly sort?: string },
  { stdout, stderr, env }: Services,
): SweepRenderer {
  if (options.json === true)
    return {
      show: (event) => {
        stdout.write(`${JSON.stringify(event)}\n`);
      },
      stopping: () => undefined,
      end: () => undefined,
    };
  const isLive = stdout.isTTY && env.TERM !== 'dumb' && !env.CI;
  const closing: ClosingOptions = {
    ...columnsOf(planned),
    shared: sharedStages(planned),
    sort: options.sort,
    width: stdout.isTTY ? stdout.columns : Infinity,
    color: usesColor(stdout, env),
  };
  return isLive ? liveSweepRenderer(stdout, closing) : plainSweepRenderer(stdout, stderr, closing);
}
