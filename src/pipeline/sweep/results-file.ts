import { readFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { replaceFile } from '../store/replace-file.js';
import type { TrialResult } from './events.js';
import { asCsv } from './table.js';

/** What a sweep makes again although it is there. */
export interface Forcing {
  readonly force: readonly string[];
  /** ISO 8601: what was made since then is not made again. */
  readonly since: string;
}

/** The table of a sweep. */
export interface SweepResults {
  readonly pipeline: string;
  readonly file: string;
  /** Swept keys, dotted. */
  readonly keys: readonly string[];
  readonly forced?: Forcing | undefined;
  readonly trials: readonly TrialResult[];
}

/** Paths of runs and pages are relative to the file's folder. */
interface ResultsFile extends SweepResults {
  readonly format: 1;
}

/** Where the tables of a pipeline's sweep are, and the page about it. */
export const sweepFolder = (runsRoot: string, pipeline: string): string => join(runsRoot, pipeline, 'sweep');
export const resultsName = 'sweep.json';

/** Writes the table of a sweep, for programs and for spreadsheets. */
export async function writeResults(
  paths: { readonly csv: string; readonly json: string },
  { name, file }: { readonly name: string; readonly file: string },
  { keys, trials: results, forced }: Pick<SweepResults, 'keys' | 'trials' | 'forced'>,
): Promise<void> {
  const folder = dirname(paths.json);
  const trials = results.map((result) => mapPaths(result, (path) => relative(folder, path)));
  const content: ResultsFile = { format: 1, pipeline: name, file, keys, forced, trials };
  await replaceFile(paths.csv, asCsv(trials, keys));
  await replaceFile(paths.json, `${JSON.stringify(content, undefined, 1)}\n`);
}

/** What an earlier call wrote, with absolute paths: nothing where there was none, or it cannot be read. */
export async function readResults(json: string): Promise<SweepResults | undefined> {
  try {
    const { format, ...content } = JSON.parse(await readFile(json, 'utf8')) as SweepResults & {
      readonly format: number;
    };
    if (format !== 1 || !Array.isArray(content.keys)) return undefined;
    const folder = dirname(json);
    return {
      ...content,
      trials: content.trials.map((result) => mapPaths(result, (path) => resolve(folder, path))),
    };
  } catch {
    return undefined;
  }
}

function mapPaths(result: TrialResult, change: (path: string) => string): TrialResult {
  const { run, pages } = result;
  return { ...result, pages: pages.map(change), ...(run !== undefined && { run: change(run) }) };
}

/**
 * What a sweep is to force: from now on, or where it continues one that was asked for the same and did not come to its
 * end, from when that began.
 */
export async function forcingOf(
  runsRoot: string,
  pipeline: string,
  force: readonly string[],
): Promise<Forcing | undefined> {
  if (force.length === 0) return undefined;
  const before = await readResults(join(sweepFolder(runsRoot, pipeline), resultsName));
  const isUnfinished = before?.trials.some(({ status }) => status !== 'finished' && status !== 'cached');
  return isUnfinished === true && isDeepStrictEqual(before?.forced?.force, force)
    ? before!.forced
    : { force, since: new Date().toISOString() };
}
