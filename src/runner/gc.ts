import { readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { isAbsent, namesIn } from '../base/existence.js';
import { UserError } from '../base/errors.js';
import { lockEnding } from '../base/file-names.js';
import { tryLock } from '../base/file-lock.js';
import { asUserError } from '../base/files.js';
import { shellWord } from '../base/format.js';
import { fingerprintOf, type Origin } from './fingerprint/origin.js';
import { type KnownFiles, readKnownFiles } from './gc/known-files.js';
import { parseLock } from './lock/lock-file.js';
import { PlanMemory } from './plan/memory.js';
import { makePlan, type PlannedStage } from './plan/plan.js';
import type { RunScan } from './runs/find-runs.js';
import type { Run } from './runs/run.js';
import type { StageRegistry } from './stage.js';
import { readAnyManifest } from './store/manifest.js';
import { loadSweep } from './sweep/load.js';
import { readResults, resultsName, sweepFolder } from './sweep/results.js';
import { isLockFile, readText } from './yaml/text.js';

/** Entry of the store that nothing refers to. */
export interface Garbage {
  /** Absolute path. */
  readonly path: string;
  readonly what: 'output' | 'interrupted session' | 'damaged output' | 'replaced output' | 'left over';
  readonly kind: string;
  /** The first part of the fingerprint, which names the output. */
  readonly key: string;
  readonly bytes: number;
}

interface GarbageOptions {
  readonly kept: ReadonlySet<string>;
  /** Minimum age: an output that changed more recently stays. */
  readonly youngerThanMs: number;
  readonly now?: number;
}

/** Finds what nothing refers to and is old enough, per kind of stage, with the sizes. */
export async function findGarbage(runsRoot: string, options: GarbageOptions): Promise<readonly Garbage[]> {
  const store = join(runsRoot, 'store');
  const kept = new Set([...options.kept].map((fingerprint) => fingerprint.slice(0, keyLength)));
  const garbage: Garbage[] = [];
  for (const kind of await namesIn(store)) {
    if (kind.startsWith('.')) continue;
    for (const name of (await namesIn(join(store, kind))).toSorted()) {
      const [key = '', ...rest] = name.split('.');
      const suffix = rest.join('.');
      const what = describe(suffix);
      if (what === undefined || (kept.has(key) && !alwaysGarbage.has(what))) continue;
      const path = join(store, kind, name);
      const { bytes, changedMs } = await measure(path);
      // A time in the future is one of a clock that was set back: as good as now.
      if ((options.now ?? Date.now()) - changedMs < options.youngerThanMs) continue;
      garbage.push({ path, what, kind, key, bytes });
    }
  }
  return garbage;
}

const keyLength = 16;
const alwaysGarbage = new Set<Garbage['what']>(['damaged output', 'left over']);

/**
 * Names the kind of an entry; undefined for locks and the bookkeeping of sessions, which go with what they belong to.
 */
function describe(suffix: string): Garbage['what'] | undefined {
  if (suffix === '') return 'output';
  if (suffix === 'partial') return 'interrupted session';
  if (suffix.startsWith('damaged-')) return 'damaged output';
  if (suffix.startsWith('replaced-')) return 'replaced output';
  return suffix.endsWith('.tmp') ? 'left over' : undefined;
}

/** Size of all files, and when the latest of them, or of the folders, changed. */
async function measure(path: string): Promise<{ readonly bytes: number; readonly changedMs: number }> {
  const stats = await stat(path).catch((error: unknown) => {
    throw asUserError(error, path);
  });
  if (!stats.isDirectory()) return { bytes: stats.size, changedMs: stats.mtimeMs };
  let bytes = 0;
  let changedMs = Math.max(stats.mtimeMs, stats.ctimeMs);
  for (const entry of await readdir(path, { withFileTypes: true }).catch((error: unknown) => {
    throw asUserError(error, path);
  })) {
    if (entry.isSymbolicLink()) continue;
    const inside = await measure(join(path, entry.name));
    bytes += inside.bytes;
    changedMs = Math.max(changedMs, inside.changedMs);
  }
  return { bytes, changedMs };
}

/** Files and runs for which outputs are kept. */
interface References {
  /** Fingerprints. */
  readonly kept: ReadonlySet<string>;
  /** Files that could not be read or found: as long as there are any, everything has to be kept. */
  readonly unknown: readonly UserError[];
}

interface ReferencesOptions {
  readonly runsRoot: string;
  readonly registry: StageRegistry;
  readonly scan: RunScan;
  /** Absolute paths of pipeline files, which are there and valid. */
  readonly named: readonly string[];
  /** Absolute paths of folders of pipeline files and locks, where they are there. */
  readonly folders: readonly string[];
}

/** Fingerprints that runs refer to. */
export function fingerprintsOfRuns(runs: readonly Run[]): ReadonlySet<string> {
  const all = runs.flatMap(({ record }) => Object.values(record.stages));
  return new Set(all.flatMap(({ fingerprint }) => (fingerprint === undefined ? [] : [fingerprint])));
}

/**
 * Finds everything that runs, pipeline files and locks refer to. The files are those named, those that ever ran here,
 * and all others in their folders and those given.
 */
export async function findReferences(options: ReferencesOptions): Promise<References> {
  const { scan, runsRoot, named } = options;
  const found = new Found(scan.problems);
  found.keep(fingerprintsOfRuns(scan.runs));
  for (const { state, record, directory } of scan.runs)
    if (state === 'running' && Object.keys(record.stages).length === 0)
      found.unknown.push(notPlannedYet(directory));
  await keepStopped(runsRoot, found);
  const known = await found.attempt(() => readKnownFiles(runsRoot));
  const files = await filesToAsk(options, known?.files ?? [], found);
  for (const file of files) {
    const text = await readText(file);
    if (typeof text !== 'string') found.unknown.push(unreadable(file, text.message));
    else if (file.endsWith(lockEnding) || (await isLockFile(file)))
      await found.attempt(() => {
        for (const { fingerprint, accepted } of Object.values(parseLock(text, file).stages))
          found.keep(accepted === undefined ? [fingerprint] : [fingerprint, accepted.output]);
      });
    else if (mayBePipeline.test(text) || named.includes(file))
      await askPipeline(file, options, found, mayHaveRun(file, known));
  }
  return found;
}

/**
 * Keeps what trials that halving stopped have made so far: a sweep that lets them go on continues it, though no file may
 * have their values and the folders of their runs may be gone.
 */
async function keepStopped(runsRoot: string, found: Found): Promise<void> {
  for (const name of (await found.attempt(() => namesIn(runsRoot))) ?? []) {
    const json = join(sweepFolder(runsRoot, name), resultsName);
    if (!(await isThere(json))) continue;
    const results = await found.attempt(() => readResults(json));
    if (results === undefined) found.unknown.push(damagedResults(json));
    else found.keep(results.trials.flatMap(({ stopped }) => stopped?.fingerprint ?? []));
  }
}

/** Keys of which every pipeline file has one; other YAML has neither. */
const mayBePipeline = /\b(stages|extends)\b/;

/** True when a file may ever have run here. */
function mayHaveRun(file: string, known: KnownFiles | undefined): boolean {
  return known?.isComplete !== true || known.files.includes(file);
}

class Found implements References {
  readonly kept = new Set<string>();
  readonly unknown: UserError[];

  constructor(problems: readonly UserError[]) {
    this.unknown = [...problems];
  }

  keep(fingerprints: Iterable<string>): void {
    for (const fingerprint of fingerprints) this.kept.add(fingerprint);
  }

  /** Runs `work`; undefined where it fails, which makes its subject unknown. */
  async attempt<T>(work: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      this.unknown.push(error);
      return undefined;
    }
  }
}

/** Pipeline files and locks, each once. */
async function filesToAsk(
  { named, folders, scan }: ReferencesOptions,
  known: readonly string[],
  found: Found,
): Promise<readonly string[]> {
  const files = new Set(named);
  for (const file of known) {
    if (await isThere(file)) files.add(file);
    else found.unknown.push(goneFile(file));
  }
  const near = [...named, ...known, ...scan.runs.map(({ record }) => record.file)].map((file) =>
    dirname(file),
  );
  for (const folder of new Set([...folders, ...near].map((path) => resolve(path))))
    for (const name of (await found.attempt(() => namesIn(folder))) ?? [])
      if (/\.ya?ml$/.test(name) && (await mayBeFile(join(folder, name)))) files.add(join(folder, name));
  return [...files].sort();
}

async function isThere(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    (error: unknown) => !isAbsent(error),
  );
}

/** False for a folder, a pipe and the like, which nothing can have run from. */
async function mayBeFile(path: string): Promise<boolean> {
  return stat(path).then(
    (stats) => stats.isFile(),
    () => true,
  );
}

async function askPipeline(
  file: string,
  { runsRoot, registry }: ReferencesOptions,
  found: Found,
  mayHaveRun: boolean,
): Promise<void> {
  // One that has never run here has no outputs, whatever is wrong with it: recipes whose data are elsewhere.
  const problem = (message: string): void => {
    if (mayHaveRun) found.unknown.push(unreadable(file, message));
  };
  const loaded = await loadSweep(file, { rules: registry.rules });
  if (!loaded.ok) {
    problem(loaded.diagnostics[0]?.message ?? 'It is not valid.');
    return;
  }
  const memory = new PlanMemory({ runsRoot });
  try {
    for (const { pipeline } of [loaded, ...(loaded.trials ?? [])]) {
      const { stages } = await makePlan({ pipeline, registry, runsRoot, memory });
      found.keep(
        stages.flatMap(({ fingerprint, recipe, place }) => [fingerprint, recipe, place.fingerprint]),
      );
      for (const stage of stages) if (stage.awaits.length > 0) found.keep(await candidates(stage));
    }
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    problem(error.message);
  }
}

/**
 * The outputs, by the first part of their fingerprints, that a stage may turn out to have once those before it have run:
 * all of its kind with its configuration, and all that are not finished.
 */
async function candidates({ place, origin }: PlannedStage): Promise<readonly string[]> {
  const own = withoutReferences(origin);
  const found: string[] = [];
  for (const name of await namesIn(place.folder)) {
    const [key = '', rest] = name.split('.');
    if (rest === 'partial') found.push(key);
    else if (rest === undefined) {
      const before = await readAnyManifest(join(place.folder, name)).catch(() => undefined);
      // An output that does not say what it was made from may be the one.
      if (before === undefined || withoutReferences(before.origin) === own) found.push(key);
    }
  }
  return found;
}

/** The fingerprint that an origin would have whatever the stages before it gave. */
function withoutReferences(origin: Origin): string {
  const references = origin.references.map(({ path, stage }) => ({ path, stage, fingerprint: '' }));
  return fingerprintOf({ ...origin, references });
}

const unreadable = (file: string, message: string): UserError =>
  new UserError({
    code: 'references-unknown',
    message: `${file}: its references cannot be determined: ${message}`,
    remedy: `\`npx pipeline validate ${shellWord(basename(file))}\` and \`npx pipeline plan ${shellWord(basename(file))}\` say what is wrong; mend it, or remove the file.`,
  });

const goneFile = (file: string): UserError =>
  new UserError({
    code: 'references-unknown',
    message: `${file} ran here and no longer exists: its references cannot be determined.`,
    remedy: `Put it back, or mount its disk. If it is gone for good: \`npx pipeline gc --forget ${shellWord(file)}\`.`,
  });

const damagedResults = (json: string): UserError =>
  new UserError({
    code: 'references-unknown',
    message: `${json}: it is damaged: which trials of the sweep can still go on cannot be determined.`,
    remedy: 'Run the sweep again, which writes it anew, or remove the file.',
  });

const notPlannedYet = (directory: string): UserError =>
  new UserError({
    code: 'references-unknown',
    message: `${directory}: this run is still reading its inputs, so what it will use cannot be determined.`,
    remedy: 'Wait until its first stage has begun.',
  });

/**
 * Removes a piece of garbage, unless its output is being made: whether it did. What is removed is renamed first, so that
 * nobody meets half of it.
 */
export async function removeGarbage({ path, key, what }: Garbage): Promise<boolean> {
  const output = join(dirname(path), key);
  const lock = tryLock(`${output}.lock`);
  if (lock === undefined) return false;
  try {
    const aside = what === 'left over' ? path : `${output}.removed-${process.pid}.tmp`;
    if (aside !== path) await rename(path, aside);
    await rm(aside, { recursive: true, force: true });
    if (what === 'interrupted session') await rm(`${output}.session.json`, { force: true });
    if (what === 'output' || what === 'interrupted session')
      for (const suffix of ['failed.json', 'lock']) await rm(`${output}.${suffix}`, { force: true });
    return true;
  } finally {
    lock.release();
  }
}
