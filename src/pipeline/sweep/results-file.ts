import { readFile } from 'node:fs/promises';
import { dirname, relative, resolve } from 'node:path';
import { replaceFile } from '../store/replace-file.js';
import type { TrialResult } from './events.js';
import { asCsv } from './table.js';

interface ResultsFile {
  readonly format: 1;
  readonly pipeline: string;
  readonly file: string;
  /** Swept keys, dotted. */
  readonly keys: readonly string[];
  /** Paths of runs and pages are relative to the file's folder. */
  readonly trials: readonly TrialResult[];
}

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

/** What an earlier call wrote, by trial: nothing where there was none, or it cannot be read. */
export async function readResults(json: string): Promise<ReadonlyMap<string, TrialResult>> {
  try {
    const { format, trials } = JSON.parse(await readFile(json, 'utf8')) as Partial<ResultsFile>;
    if (format !== 1 || trials === undefined) return new Map();
    const folder = dirname(json);
    return new Map(trials.map((result) => [result.trial, mapPaths(result, (path) => resolve(folder, path))]));
  } catch {
    return new Map();
  }
}

function mapPaths(result: TrialResult, change: (path: string) => string): TrialResult {
  const { run, pages } = result;
  return { ...result, pages: pages.map(change), ...(run !== undefined && { run: change(run) }) };
}
