import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { isLockFile, loadPipeline } from '../../config/index.js';
import { readText } from '../../config/source/read-text.js';
import { UserError } from '../../errors.js';
import { asUserError } from '../../files/file-errors.js';
import { type Origin, fingerprintOf } from '../fingerprint/origin.js';
import { parseLock } from '../lock/lock-file.js';
import { type PlannedStage, makePlan } from '../plan/plan.js';
import type { StageRegistry } from '../registry.js';
import type { RunScan } from '../runs/list-runs.js';
import type { Run } from '../runs/run.js';
import { readOrigin } from '../store/manifest.js';
import { readKnownFiles, type KnownFiles } from './known-files.js';

/** What outputs are kept for. */
export interface References {
  /** Fingerprints. */
  readonly kept: ReadonlySet<string>;
  /** What could not be read or found: as long as there is any of it, everything has to be kept. */
  readonly unknown: readonly UserError[];
  /** Files that cannot be planned but need not be, as they have never run here. */
  readonly notices: readonly string[];
}

export interface ReferencesOptions {
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
 * Everything that runs, pipeline files and locks refer to. The files are those named, those that ever ran here, and all
 * others in their folders and those given.
 */
export async function findReferences(options: ReferencesOptions): Promise<References> {
  const { scan, runsRoot, named } = options;
  const found = new Found(scan.problems);
  found.keep(fingerprintsOfRuns(scan.runs));
  for (const { state, record, directory } of scan.runs)
    if (state === 'running' && Object.keys(record.stages).length === 0)
      found.unknown.push(notPlannedYet(directory));
  const known = await found.attempt(() => readKnownFiles(runsRoot));
  const files = await filesToAsk(options, known?.files ?? [], found);
  for (const file of files) {
    const text = await readText(file);
    if (typeof text !== 'string') found.unknown.push(unreadable(file, text.message));
    else if (file.endsWith('.lock.yaml') || (await isLockFile(file)))
      await found.attempt(() => {
        for (const { fingerprint, accepted } of Object.values(parseLock(text, file).stages))
          found.keep(accepted === undefined ? [fingerprint] : [fingerprint, accepted.output]);
      });
    else if (mayBePipeline.test(text) || named.includes(file))
      await askPipeline(file, options, found, mayHaveRun(file, known));
  }
  return found;
}

/** What else is YAML has neither of these keys. */
const mayBePipeline = /\b(stages|extends)\b/;

/** Whether a file may ever have run here. */
function mayHaveRun(file: string, known: KnownFiles | undefined): boolean {
  return known?.isComplete !== true || known.files.includes(file);
}

class Found implements References {
  readonly kept = new Set<string>();
  readonly unknown: UserError[];
  readonly notices: string[] = [];

  constructor(problems: readonly UserError[]) {
    this.unknown = [...problems];
  }

  keep(fingerprints: Iterable<string>): void {
    for (const fingerprint of fingerprints) this.kept.add(fingerprint);
  }

  /** What does not succeed is not known. */
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
      if (/\.ya?ml$/.test(name)) files.add(join(folder, name));
  return [...files].sort();
}

async function isThere(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    (error: unknown) => !['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? ''),
  );
}

async function namesIn(folder: string): Promise<readonly string[]> {
  return readdir(folder).catch((error: unknown) => {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
    throw asUserError(error, folder);
  });
}

async function askPipeline(
  file: string,
  { runsRoot, registry }: ReferencesOptions,
  found: Found,
  mayHaveRun: boolean,
): Promise<void> {
  const problem = (message: string): void => {
    if (mayHaveRun) found.unknown.push(unreadable(file, message));
    else found.notices.push(`${file} has never run here, and cannot be planned: ${message}`);
  };
  const loaded = await loadPipeline(file);
  if (!loaded.ok) {
    problem(loaded.diagnostics[0]?.message ?? 'It is not valid.');
    return;
  }
  try {
    const { stages } = await makePlan({ pipeline: loaded.pipeline, registry, runsRoot });
    found.keep(stages.flatMap(({ fingerprint, recipe, place }) => [fingerprint, recipe, place.fingerprint]));
    for (const stage of stages) if (stage.awaits.length > 0) found.keep(await candidates(stage));
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
      const before = await readOrigin(join(place.folder, name)).catch(() => undefined);
      // An output that does not say what it was made from may be the one.
      if (before === undefined || withoutReferences(before) === own) found.push(key);
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
    message: `${file}: what it refers to is not known: ${message}`,
    remedy: `\`pipeline validate ${basename(file)}\` and \`pipeline plan ${basename(file)}\` say what is wrong; mend it, or remove the file.`,
  });

const goneFile = (file: string): UserError =>
  new UserError({
    code: 'references-unknown',
    message: `${file} has run here, and is not there any more: what it refers to is not known.`,
    remedy: `Put it back, or mount its disk. If it is gone for good: \`pipeline gc --forget ${file}\`.`,
  });

const notPlannedYet = (directory: string): UserError =>
  new UserError({
    code: 'references-unknown',
    message: `${directory}: this run is still reading its inputs: what it will use is not known.`,
    remedy: 'Wait until its first stage has begun.',
  });
