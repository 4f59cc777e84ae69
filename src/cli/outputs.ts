import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { UserError } from '../base/errors.js';
import { exists } from '../base/existence.js';
import { shellWord } from '../base/format.js';
import { nearest } from '../base/nearest.js';
import { formatDiagnostics } from '../runner/format-diagnostics.js';
import { loadPipeline } from '../runner/load.js';
import { type Lock, type LockedAcceptance, lockPath, readLock } from '../runner/lock/lock-file.js';
import type { Pipeline } from '../runner/pipeline.js';
import type { Elsewhere } from '../runner/plan/memory.js';
import { makePlan, type PlannedStage } from '../runner/plan/plan.js';
import { findRunsRoot, runsRootOf } from '../runner/runs-root.js';
import { findRun, listRuns } from '../runner/runs/find-runs.js';
import type { Run } from '../runner/runs/run.js';
import type { Acceptance } from '../runner/stage.js';
import { readAnyManifest } from '../runner/store/manifest.js';
import { type PlannedTrial, planSweep } from '../runner/sweep/plan-sweep.js';
import { trialsOf } from '../runner/sweep/trial.js';
import { holdsWeights } from '../weights/saved-files.js';
import { loadWithTrials, reportMissing } from './load.js';
import { commandPath, exitCodes, type Services, shortPath } from './services.js';

/** An output that a command is to move. */
export interface NamedOutput {
  readonly kind: string;
  readonly fingerprint: string;
  /** Id of its stage, where that is known. */
  readonly stage?: string;
  /** Name of the pipeline whose stage has it, where that is known. */
  readonly pipeline?: string;
  /** Present where it was accepted in the place of another: that one's fingerprint, and how. */
  readonly accepted?: { readonly insteadOf: string; readonly acceptance: Acceptance };
  /** Hash of its files as a lock has it. */
  readonly locked?: { readonly file: string; readonly output: string };
  /** Absent where nobody looked. */
  readonly state?: 'here' | 'elsewhere' | 'nowhere';
}

/** Outputs of one folder of runs. */
export interface NamedOutputs {
  readonly runsRoot: string;
  readonly outputs: readonly NamedOutput[];
}

export interface NamingOptions {
  readonly set: readonly string[];
  readonly grid?: readonly string[];
  readonly until?: string | undefined;
  readonly runs?: string | undefined;
  readonly force?: readonly string[];
  /** Leaves out the trials of a file's sweep, or the file's own values. */
  readonly only?: 'file' | 'trials';
}

/**
 * The outputs that a word of the command line means: those of a pipeline file and of the trials of its sweep, of one
 * stage (`FILE.yaml#STAGE`), of a lock, or of a run. Where the file is invalid, shows what is wrong and gives the exit code.
 *
 * @param elsewhere of what the remote has, where outputs are to be brought
 */
export async function outputsOf(
  what: string,
  options: NamingOptions,
  services: Services,
  elsewhere?: Elsewhere['find'],
): Promise<NamedOutputs | number> {
  if (/\.lock\.ya?ml$/i.test(what)) {
    const pipelineFile = resolve(what.replace(/\.lock(?=\.ya?ml$)/i, ''));
    return {
      runsRoot: findRunsRoot(pipelineFile, options.runs, services.env),
      outputs: lockedOutputs(await readLock(pipelineFile), what),
    };
  }
  const [, file, stage] = /^(.+\.ya?ml)(?:#(.+))?$/i.exec(what) ?? [];
  if (file !== undefined)
    return outputsOfFile(file, { ...options, until: stage ?? options.until }, stage, services, elsewhere);
  const runsRoot = runsRootOf(process.cwd(), options.runs, services.env);
  const manifest = await readAnyManifest(resolve(what)).catch(() => undefined);
  if (manifest !== undefined) return { runsRoot, outputs: [manifest] };
  const run = findRun(what, await listRuns(runsRoot));
  const { pipeline, stages } = run.record;
  return {
    runsRoot,
    outputs: Object.entries(stages).flatMap(([stage, { kind, fingerprint }]) =>
      fingerprint === undefined ? [] : [{ kind, fingerprint, stage, pipeline }],
    ),
  };
}

async function outputsOfFile(
  file: string,
  options: NamingOptions,
  only: string | undefined,
  services: Services,
  elsewhere: Elsewhere['find'] | undefined,
): Promise<NamedOutputs | number> {
  const loaded = await loadWithTrials(file, options, services);
  if (loaded === undefined) return exitCodes.invalid;
  const { pipeline, trials } = loaded;
  const runsRoot = findRunsRoot(pipeline.file, options.runs, services.env);
  const shared = {
    runsRoot,
    registry: await services.loadRegistry(),
    until: options.until,
    ...(elsewhere && { elsewhere: await elsewhereOf(pipeline, elsewhere) }),
  };
  try {
    const { stages } = await makePlan({ ...shared, pipeline, force: options.force });
    const planned = [
      ...(options.only === 'trials' ? [] : [{ trial: { pipeline }, stages }]),
      ...(options.only === 'file' || trials === undefined
        ? []
        : await planSweep({ ...shared, trials: trialsOf(trials) })),
    ];
    const outputs = planned.flatMap((each) => plannedOutputs(each.trial, each.stages));
    return {
      runsRoot,
      outputs: only === undefined ? outputs : outputs.filter(({ stage }) => stage === only),
    };
  } catch (error) {
    return reportMissing(error, loaded, services);
  }
}

/** Outputs on a remote, for a plan: with those that the lock of the file names, as what their stages read may not be here. */
export async function elsewhereOf(
  pipeline: Pick<Pipeline, 'file'>,
  find: Elsewhere['find'],
): Promise<Elsewhere> {
  const lock = (await exists(lockPath(pipeline.file))) ? await readLock(pipeline.file) : undefined;
  return {
    find,
    accepted: ({ kind, fingerprint }) => {
      const locked = Object.values(lock?.stages ?? {}).find(
        (stage) => stage.kind === kind && stage.fingerprint === fingerprint,
      );
      return locked?.accepted && acceptanceOf(locked.accepted);
    },
    fingerprints: (stage, kind) => {
      const locked = lock?.stages[stage];
      return locked?.kind === kind ? [locked.fingerprint] : [];
    },
  };
}

function plannedOutputs(
  { pipeline }: { readonly pipeline: Pick<Pipeline, 'name'> },
  stages: PlannedTrial['stages'],
): readonly NamedOutput[] {
  return stages.map((planned) => ({
    kind: planned.stage.kind,
    fingerprint: planned.output?.fingerprint ?? planned.fingerprint,
    stage: planned.stage.id,
    pipeline: pipeline.name,
    state: stateOf(planned),
    ...(planned.accepted && {
      accepted: { insteadOf: planned.fingerprint, acceptance: planned.accepted },
    }),
  }));
}

/** An acceptance that a lock tells of. */
const acceptanceOf = ({ output, at, differences }: LockedAcceptance): Acceptance => ({
  output,
  at: at ?? new Date().toISOString(),
  differences,
});

function stateOf({ isElsewhere, reasons }: PlannedStage): NonNullable<NamedOutput['state']> {
  if (isElsewhere === true) return 'elsewhere';
  return reasons.length === 0 ? 'here' : 'nowhere';
}

function lockedOutputs({ pipeline, stages }: Lock, file: string): readonly NamedOutput[] {
  return Object.entries(stages).map(([stage, { kind, fingerprint, accepted, output }]) => ({
    ...{ kind, stage, pipeline },
    fingerprint: accepted?.output ?? fingerprint,
    ...(accepted && { accepted: { insteadOf: fingerprint, acceptance: acceptanceOf(accepted) } }),
    ...(output !== undefined && { locked: { file: shortPath(resolve(file)), output } }),
  }));
}

/** Every finished output of a store. */
export async function allOutputs(runsRoot: string): Promise<readonly NamedOutput[]> {
  const store = join(runsRoot, 'store');
  const kinds = await readdir(store).catch(() => []);
  const found: NamedOutput[] = [];
  for (const kind of kinds.filter((name) => !name.startsWith('.')).sort())
    for (const key of (await readdir(join(store, kind))).sort()) {
      if (!/^[0-9a-f]{16}$/.test(key)) continue;
      const { fingerprint } = await readAnyManifest(join(store, kind, key)).catch((error: unknown) => {
        throw new UserError({
          code: 'output-not-whole',
          message: `${join(store, kind, key)}: this output cannot be read: ${(error as Error).message}.`,
          remedy: 'Run its pipeline again, which makes it again, or name what to send.',
        });
      });
      found.push({ kind, fingerprint });
    }
  return found;
}

/** An output that a word of the command line names. */
interface FoundOutput {
  readonly directory: string;
  /** The stage that has it, and the outputs of the stages beside it, by id; absent of paths. */
  readonly stage?: {
    readonly id: string;
    readonly kind: string;
    readonly beside: ReadonlyMap<string, string>;
  };
}

/**
 * The folder of weights that `FILE.yaml#STAGE` names, `RUN/STAGE`, or `STAGE` alone of the latest run; any other text is
 * returned as it is.
 *
 * @throws UserError as `findOutput`, and `no-weights` of a stage that leaves none
 */
export async function findWeights(
  name: string,
  runs: string | undefined,
  services: Services,
): Promise<string> {
  const { directory, stage } = await findOutput(name, runs, services);
  if (stage === undefined || holdsWeights(directory)) return directory;
  const others = [...stage.beside].filter(([, path]) => holdsWeights(path)).map(([id]) => id);
  throw new UserError({
    code: 'no-weights',
    usage: true,
    message: `${stage.id} is a stage of kind ${stage.kind}, whose output holds no weights.`,
    remedy:
      others.length > 0
        ? `Name a stage that has some: ${others.join(' or ')}.`
        : 'Name a stage of kind train, pretrained or autoencoder.',
  });
}

/**
 * The output that `FILE.yaml#STAGE` names, or, where no file is called so, `RUN/STAGE`, or `STAGE` alone of the latest run;
 * any other text is a path.
 *
 * @throws UserError `no-such-stage`, `invalid-pipeline`, `stage-not-run`, or as `findRun`
 */
export async function findOutput(
  name: string,
  runs: string | undefined,
  services: Services,
): Promise<FoundOutput> {
  const [, file, id] = /^(.+\.ya?ml)#(.+)$/i.exec(name) ?? [];
  if (file === undefined || id === undefined) {
    const [, run, stage] = /^(?:(?!hf:)(.+)\/)?([A-Za-z][\w-]*)$/.exec(name) ?? [];
    const found =
      stage === undefined || existsSync(name) ? undefined : await ofRun(run, stage, runs, services);
    return found ?? { directory: name };
  }
  const registry = await services.loadRegistry();
  const loaded = await loadPipeline(file, { rules: registry.rules });
  if (!loaded.ok)
    throw new UserError({
      code: 'invalid-pipeline',
      usage: true,
      message: `${file} is not valid:\n${formatDiagnostics(loaded.diagnostics)}`,
    });
  const { stages } = await makePlan({
    pipeline: loaded.pipeline,
    registry,
    runsRoot: findRunsRoot(loaded.pipeline.file, runs, services.env),
    until: id,
  });
  const planned = stages.find(({ stage }) => stage.id === id)!;
  const beside = new Map(stages.map(({ stage, place }) => [stage.id, place.directory]));
  if (planned.output !== undefined && planned.awaits.length === 0)
    return { directory: planned.place.directory, stage: { id, kind: planned.stage.kind, beside } };
  throw new UserError({
    code: 'stage-not-run',
    message: `${id} of ${file} has no output as the file is now.`,
    remedy: `Run: npx pipeline run ${shellWord(file)} --until ${id}`,
  });
}

/** The output of a stage of a run, or of the latest one; undefined where the reference is that of no run. */
async function ofRun(
  reference: string | undefined,
  stage: string,
  runs: string | undefined,
  { env }: Services,
): Promise<FoundOutput | undefined> {
  const runsRoot = runsRootOf(process.cwd(), runs, env);
  const all = await listRuns(runsRoot);
  if (reference === undefined && all.length === 0)
    throw new UserError({
      code: 'no-such-stage',
      usage: true,
      message: `${stage} is no file, and there is no run in ${shortPath(runsRoot)} that could have such a stage.`,
      remedy: 'Name a file, or a stage as FILE.yaml#STAGE.',
    });
  const run = runOrNone(reference ?? 'latest', all);
  if (run === undefined) return undefined;
  const directory = join(run.directory, stage);
  const ids = Object.keys(run.record.stages);
  const found = run.record.stages[stage];
  if (found !== undefined && existsSync(directory)) {
    const beside = new Map(ids.map((id) => [id, join(run.directory, id)]));
    return { directory, stage: { id: stage, kind: found.kind, beside } };
  }
  const which = reference === undefined ? `the latest run, ${run.id}` : `the run ${run.id}`;
  if (ids.includes(stage))
    throw new UserError({
      code: 'stage-not-run',
      message: `${stage} has no output in ${which}.`,
      remedy: `Run its pipeline again, which continues it: npx pipeline run ${commandPath(run.record.file)}`,
    });
  const near = nearest(stage, ids);
  throw new UserError({
    code: 'no-such-stage',
    usage: true,
    message: `${stage} is no file, and no stage of ${which}.`,
    remedy: near === undefined ? `Its stages: ${ids.join(', ')}.` : `Did you mean ${near}?`,
  });
}

/** The run that a reference means; undefined where there is none, and it may be the name of something else. */
function runOrNone(reference: string, runs: readonly Run[]): Run | undefined {
  try {
    return findRun(reference, runs);
  } catch (error) {
    if (error instanceof UserError && error.code === 'no-such-run' && !reference.includes('~'))
      return undefined;
    throw error;
  }
}
