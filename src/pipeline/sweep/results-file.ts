import { readFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { replaceFile } from '../store/replace-file.js';
import type { TrialResult } from './events.js';
import { asCsv } from './table.js';

/** The table of a sweep. */
export interface SweepResults {
  readonly pipeline: string;
  readonly file: string;
  /** Swept keys, dotted. */
  readonly keys: readonly string[];
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
  keys: readonly string[],
  results: readonly TrialResult[],
): Promise<void> {
  const folder = dirname(paths.json);
  const trials = results.map((result) => mapPaths(result, (path) => relative(folder, path)));
  const content: ResultsFile = { format: 1, pipeline: name, file, keys, trials };
  await replaceFile(paths.csv, asCsv(trials, keys));
  await replaceFile(paths.json, `${JSON.stringify(content, undefined, 1)}\n`);
}

/** What an earlier call wrote, with absolute paths: nothing where there was none, or it cannot be read. */
export async function readResults(json: string): Promise<SweepResults | undefined> {
  try {
    const { format, ...content } = JSON.parse(await readFile(json, 'utf8')) as SweepResults & {
      readonly format: number;
    };
    if (format !== 1) return undefined;
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
