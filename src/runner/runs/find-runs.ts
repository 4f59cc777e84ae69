import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { isAbsent } from '../../base/existence.js';
import { isYetToCome } from '../../base/clock.js';
import { UserError } from '../../base/errors.js';
import { asUserError } from '../../base/files.js';
import { nearest } from '../../base/nearest.js';
import { readNote } from './note.js';
import { readRun, type Run } from './run.js';

/**
 * The run that a reference means: `latest`, the name of a pipeline (its latest run), `NAME/latest`, the name that a note gave it, the id of a run or
 * the beginning of one with or without the name of its pipeline, or the path of its folder; each with `~N` behind it for the N-th before it.
 *
 * @param runs oldest first
 * @throws UserError `no-such-run` or `ambiguous-run`.
 */
export function findRun(reference: string, runs: readonly Run[]): Run {
  const [, base, back = '0'] = /^(.*?)(?:~(\d+))?$/s.exec(reference)!;
  const candidates = candidatesOf(base!, runs);
  if (candidates.length === 0) throw noSuchRun(reference, runs);
  if (candidates.length > 1 && !meansLatest(base!, runs)) throw ambiguous(reference, candidates);
  const last = runs.indexOf(candidates.at(-1)!);
  const line = back === '0' ? [] : before(candidates.at(-1)!, base!, runs.slice(0, last));
  const found = back === '0' ? candidates.at(-1) : line.at(-Number(back));
  if (found === undefined)
    throw new UserError({
      code: 'no-such-run',
      usage: true,
      message: `There is no run ${reference}: before ${candidates.at(-1)!.id} there ${line.length === 1 ? 'is 1 run' : `are ${line.length} runs`}.`,
      remedy: 'npx pipeline status lists all runs.',
    });
  return found;
}

/** Runs that a filter takes in: all runs of a pipeline that it names, or all whose id begins as it says. */
export function matchingRuns(filter: string, runs: readonly Run[]): readonly Run[] {
  if (filter === 'latest' || filter.includes('~') || filter.endsWith('/latest'))
    return [findRun(filter, runs)];
  const ofPipeline = runs.filter((run) => nameOf(run) === filter);
  const found = ofPipeline.length > 0 ? ofPipeline : candidatesOf(filter, runs);
  if (found.length === 0) throw noSuchRun(filter, runs);
  return found;
}

function candidatesOf(base: string, runs: readonly Run[]): readonly Run[] {
  if (base === 'latest' || base === '') return runs.slice(-1);
  const named = runs.filter((run) => nameOf(run) === base.replace(/\/latest$/, ''));
  if (named.length > 0) return named;
  const called = runs.filter(({ note }) => note?.name === base);
  if (called.length > 0) return called;
  const exact = runs.filter(({ id, directory }) => id === base || directory === resolve(base));
  if (exact.length > 0) return exact;
  return runs.filter((run) => run.id.startsWith(base) || timeOf(run).startsWith(base));
}

const meansLatest = (base: string, runs: readonly Run[]): boolean =>
  runs.some((run) => nameOf(run) === base.replace(/\/latest$/, ''));

/** `latest~1` goes back among all runs, everything else among those of its pipeline. */
function before(run: Run, base: string, earlier: readonly Run[]): readonly Run[] {
  return base === 'latest' || base === ''
    ? earlier
    : earlier.filter((other) => nameOf(other) === nameOf(run));
}

const nameOf = ({ id }: Run): string => dirname(id);
const timeOf = ({ id }: Run): string => basename(id);

function noSuchRun(reference: string, runs: readonly Run[]): UserError {
  const names = [...new Set(runs.map(nameOf))];
  const near = nearest(reference.split('/')[0]!, names);
  return new UserError({
    code: 'no-such-run',
    usage: true,
    message: `There is no run ${reference}.`,
    remedy:
      runs.length === 0
        ? 'There are no runs yet: npx pipeline run FILE makes one.'
        : near === undefined
          ? 'npx pipeline status lists all runs.'
          : `Did you mean ${near}? npx pipeline status lists all runs.`,
  });
}

function ambiguous(reference: string, runs: readonly Run[]): UserError {
  const shown = runs.slice(-5).map(({ id }) => id);
  return new UserError({
    code: 'ambiguous-run',
    usage: true,
    message: `${reference} is the beginning of ${runs.length} runs: ${runs.length > shown.length ? '…, ' : ''}${shown.join(', ')}.`,
    remedy: 'Type more of its name.',
  });
}

/** Content of a folder of runs. */
export interface RunScan {
  /** Oldest first. */
  readonly runs: readonly Run[];
  /** Runs and folders that cannot be read, each with why: they cost only themselves. */
  readonly problems: readonly UserError[];
}

/** Every run in the folder of runs that can be read, oldest first. Of one that is over, one small file is read. */
export async function listRuns(runsRoot: string): Promise<readonly Run[]> {
  return (await scanRuns(runsRoot)).runs;
}

/** Every run in the folder of runs. @param withLinks also those in folders that are links, such as to another disk */
export async function scanRuns(runsRoot: string, withLinks = false): Promise<RunScan> {
  const now = new Date();
  const problems = new Problems();
  const folders = await runFolders(
    runsRoot,
    async (path) => (await problems.caught(path, () => foldersIn(path, withLinks))) ?? [],
  );
  const runs = folders.map((directory) => problems.caught(directory, () => readRun(directory, now)));
  return { runs: inOrder(await Promise.all(runs)), problems: problems.inOrder };
}

/** Problems that a person can mend, of what cannot be read. */
class Problems {
  private readonly found: UserError[] = [];

  async caught<T>(path: string, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      const known = asUserError(error, path);
      if (!(known instanceof UserError)) throw error;
      this.found.push(known);
      return undefined;
    }
  }

  get inOrder(): readonly UserError[] {
    return this.found.sort((a, b) => compareText(a.message, b.message));
  }
}

/**
 * The runs in a folder, for who asks again and again, such as live pages: all who ask at a time share one look, which
 * reads the files of runs that are not over, and lists folders that have changed.
 */
export class RunList {
  /** Runs that are over, by folder: their files change no more. */
  private readonly over = new Map<string, Run>();
  private readonly names = new Map<string, { readonly changed: bigint; readonly names: readonly string[] }>();
  private looking: Promise<readonly Run[]> | undefined;
  private latest: readonly Run[] = [];
  private lookedAt = -Infinity;
  /** Runs and folders that could not be read at the last look. */
  problems: RunScan['problems'] = [];

  constructor(private readonly runsRoot: string) {}

  /**
   * Every run, oldest first.
   *
   * @param maxAgeMs how old the answer may be
   */
  all(maxAgeMs = 0): Promise<readonly Run[]> {
    if (performance.now() - this.lookedAt < maxAgeMs) return Promise.resolve(this.latest);
    return (this.looking ??= this.look().finally(() => {
      this.looking = undefined;
    }));
  }

  /** The run of that id as it is now. The id is looked up, so that no path is ever made from it. */
  async find(id: string): Promise<Run | undefined> {
    const known =
      (await this.all(Infinity)).find((run) => run.id === id) ??
      (await this.all()).find((run) => run.id === id);
    return (
      known &&
      readRun(known.directory).catch((error: unknown) => {
        if (!(error instanceof UserError)) throw error;
        return undefined;
      })
    );
  }

  private async look(): Promise<readonly Run[]> {
    const now = new Date();
    const problems = new Problems();
    const folders = await runFolders(
      this.runsRoot,
      async (path) => (await problems.caught(path, () => this.foldersIn(path))) ?? [],
    );
    const gone = new Set(this.over.keys());
    const runs = await Promise.all(
      folders.map(async (directory) => {
        gone.delete(directory);
        const over = this.over.get(directory);
        return over ? withNote(over) : problems.caught(directory, () => readRun(directory, now));
      }),
    );
    for (const directory of gone) this.over.delete(directory);
    for (const run of runs)
      if (run !== undefined && run.state !== 'running' && run.state !== 'died')
        this.over.set(run.directory, run);
    this.latest = inOrder(runs);
    this.problems = problems.inOrder;
    this.lookedAt = performance.now();
    return this.latest;
  }

  /**
   * Lists the folders as they were when the folder last changed; one that changed a moment ago may change again at the
   * same time.
   */
  private async foldersIn(path: string): Promise<readonly string[]> {
    const changed = (await stat(path, { bigint: true }).catch(() => undefined))?.mtimeNs;
    const known = this.names.get(path);
    if (changed !== undefined && known?.changed === changed) return known.names;
    const names = await foldersIn(path, false);
    if (changed !== undefined && BigInt(Date.now() - settledMs) * 1_000_000n > changed)
      this.names.set(path, { changed, names });
    return names;
  }
}

/** A run that is over, with its note as it is now: that may change. */
function withNote(run: Run): Run {
  const note = readNote(run.directory);
  const changed = { ...run };
  delete changed.note;
  return note ? { ...changed, note } : changed;
}

/** Time after which the time of a folder's change tells it from the next. */
const settledMs = 2_000;

/** Absolute paths of all folders that may be a run's: `NAME/TIME`. */
async function runFolders(
  runsRoot: string,
  list: (path: string) => Promise<readonly string[]>,
): Promise<readonly string[]> {
  const pipelines = (await list(runsRoot)).filter((name) => name !== 'store');
  const folders = await Promise.all(
    pipelines.map(async (name) => {
      const parent = join(runsRoot, name);
      return (await list(parent)).map((run) => join(parent, run));
    }),
  );
  return folders.flat();
}

/** Oldest first; before all others those of a clock that was ahead, none of which is the latest. */
function inOrder(runs: readonly (Run | undefined)[]): readonly Run[] {
  const timed = runs
    .filter((run) => run !== undefined)
    .map((run) => {
      const { startedAt } = run.record;
      return { run, key: `${isYetToCome(startedAt) ? 0 : 1} ${startedAt}` };
    });
  return timed
    .sort((a, b) => compareText(a.key, b.key) || compareText(a.run.id, b.run.id))
    .map(({ run }) => run);
}

/** Names of folders; none where there is no such folder. @throws the file system's error where it cannot be read */
async function foldersIn(path: string, withLinks: boolean): Promise<readonly string[]> {
  const entries = await readdir(path, { withFileTypes: true }).catch((error: unknown) => {
    if (isAbsent(error)) return [];
    throw error;
  });
  const isFolder = async (entry: Dirent): Promise<boolean> => {
    if (!withLinks || !entry.isSymbolicLink()) return entry.isDirectory();
    const target = await stat(join(path, entry.name)).catch(() => undefined);
    return target?.isDirectory() === true;
  };
  const shown = entries.filter(({ name }) => !name.startsWith('.'));
  const are = await Promise.all(shown.map(isFolder));
  return shown.filter((_, i) => are[i]).map(({ name }) => name);
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
