import { dirname, join, relative, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { UserError } from '../../base/errors.js';
import { asText } from '../../base/format.js';
import { isMap } from '../../base/is-map.js';
import { nearest } from '../../base/nearest.js';
import { DamagedRecord, readRecord, sealJson, tellDamaged, unsealJson } from '../../base/sealed.js';
import type { Headline, Json } from '../stage.js';
import { replaceFile } from '../store/manifest.js';
import { stoppedSentence, type TrialResult } from './trial.js';
import { isUnderWay } from './under-way.js';

/** Stages that a sweep makes again although their outputs are there. */
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
  /** True where the sweep goes on while its results are read, between its trials too. */
  readonly underWay?: boolean;
  readonly trials: readonly TrialResult[];
  /** Metrics by which trials are judged; the first that any has decides. */
  readonly headlines?: readonly Headline[];
  /** Those of them by which trials do not compare, and the keys that change what they measure. */
  readonly apart?: Readonly<Record<string, readonly string[]>>;
  /** Metrics that tell what was asked for or how much was done, which tables leave out. */
  readonly amounts?: readonly string[];
}

/** Paths of runs and pages are relative to the file's folder. */
interface ResultsFile extends SweepResults {
  readonly format: 1;
}

/** Folder of the tables of a pipeline's sweep, and of the page about it. */
export const sweepFolder = (runsRoot: string, pipeline: string): string => join(runsRoot, pipeline, 'sweep');
export const resultsName = 'sweep.json';

/** Writes the table of a sweep, for programs and for spreadsheets. */
export async function writeResults(
  paths: { readonly csv: string; readonly json: string },
  { name, file }: { readonly name: string; readonly file: string },
  { trials: results, ...others }: Omit<SweepResults, 'pipeline' | 'file' | 'underWay'>,
): Promise<void> {
  const folder = dirname(paths.json);
  const trials = results.map((result) => mapPaths(result, (path) => relative(folder, path)));
  const content: ResultsFile = { format: 1, pipeline: name, file, ...others, trials };
  await replaceFile(paths.csv, asCsv(trials, others.keys));
  await replaceFile(paths.json, sealJson(content));
}

/**
 * Reads what an earlier call wrote, with absolute paths: undefined where there was none, or it is damaged, which is told
 * of. Trials that ran when their sweep was killed are interrupted.
 */
export async function readResults(json: string): Promise<SweepResults | undefined> {
  try {
    const text = await readRecord(json);
    if (text === undefined) return undefined;
    const { format, ...content } = unsealJson(text);
    if (format !== 1 || !isResults(content)) throw new DamagedRecord('is not of the expected form');
    const folder = dirname(json);
    const underWay = isUnderWay(folder);
    const trials = content.trials.map((result) => mapPaths(result, (path) => resolve(folder, path)));
    return { ...content, underWay, trials: underWay ? trials : trials.map(ended) };
  } catch (error) {
    if (!(error instanceof DamagedRecord)) throw error;
    tellDamaged(json, error, '`npx pipeline sweep` makes it again, from what its stages kept');
    return undefined;
  }
}

const ended = (result: TrialResult): TrialResult =>
  result.status === 'running' ? { ...result, status: 'interrupted' } : result;

/** True when everything has the shape that readers of a sweep rely on. */
function isResults(value: object): value is SweepResults {
  const { pipeline, file, keys, trials } = value as Partial<Record<string, unknown>>;
  return (
    [pipeline, file].every((part) => typeof part === 'string') &&
    [keys, trials].every(Array.isArray) &&
    (trials as unknown[]).every(
      (trial) => isMap(trial) && isMap(trial.values) && isMap(trial.metrics) && Array.isArray(trial.pages),
    )
  );
}

function mapPaths(result: TrialResult, change: (path: string) => string): TrialResult {
  const { run, pages } = result;
  return { ...result, pages: pages.map(change), ...(run !== undefined && { run: change(run) }) };
}

/**
 * Finds what a sweep is to force: from now on, or where it continues one that was asked for the same and did not come
 * to its end, from when that began.
 */
export async function forcingOf(
  runsRoot: string,
  pipeline: string,
  force: readonly string[],
): Promise<Forcing | undefined> {
  if (force.length === 0) return undefined;
  const before = await readResults(join(sweepFolder(runsRoot, pipeline), resultsName));
  const isUnfinished = before?.trials.some(
    ({ status }) => !['finished', 'cached', 'stopped'].includes(status),
  );
  return isUnfinished === true && isDeepStrictEqual(before?.forced?.force, force)
    ? before!.forced
    : { force, since: new Date().toISOString() };
}

/** A metric by which trials are judged; `better` is absent where they do not compare by it. */
export type JudgedBy = Pick<Headline, 'name'> & Partial<Headline>;

/** The metric by which results are judged: the first that any of them has. */
export function headlineAmong(
  { headlines = [], apart = {} }: Pick<SweepResults, 'headlines' | 'apart'>,
  results: readonly TrialResult[],
): JudgedBy | undefined {
  const found = headlines.find(({ name }) => results.some(({ metrics }) => name in metrics));
  return found && found.name in apart ? { name: found.name } : found;
}

/** The stage of a metric, which goes by `stage.name`. */
export const stageOf = (metric: string): string => metric.slice(0, metric.indexOf('.'));
/** The name of a metric within its stage. */
export const figureOf = (metric: string): string => metric.slice(metric.indexOf('.') + 1);

/** Metrics of results, in the order in which they first occur. */
export function metricNames(results: readonly TrialResult[]): readonly string[] {
  return [...new Set(results.flatMap(({ metrics }) => Object.keys(metrics)))];
}

/** Column that a table is ordered by. */
interface SortKey {
  readonly name: string;
  readonly descending: boolean;
}

/** `train.loss`, and `-train.loss` for the greatest first. */
export function parseSort(text: string): SortKey {
  return text.startsWith('-') ? { name: text.slice(1), descending: true } : { name: text, descending: false };
}

/**
 * Results in the order of a column; those without a value come last, and equals stay as they were.
 *
 * @throws UserError `no-such-column`.
 */
export function sortResults(
  results: readonly TrialResult[],
  keys: readonly string[],
  { name, descending }: SortKey,
): readonly TrialResult[] {
  const column = findColumn(name, keys, metricNames(results));
  const valueOf = ({ values, metrics, seconds }: TrialResult): Json | undefined =>
    column === 'seconds' ? seconds : (metrics[column] ?? values[column]);
  const direction = descending ? -1 : 1;
  return [...results].sort((a, b) => {
    const [one, other] = [valueOf(a), valueOf(b)];
    if (one === undefined || other === undefined)
      return Number(one === undefined) - Number(other === undefined);
    return direction * compare(one, other);
  });
}

/**
 * The column that a name or the end of one means. Of the metrics of several stages it is the last stage's.
 *
 * @param metrics in the order of their stages
 * @throws UserError `no-such-column`, also where several keys end like that
 */
export function findColumn(name: string, keys: readonly string[], metrics: readonly string[]): string {
  const names = [...keys, ...metrics, 'seconds'];
  if (names.includes(name)) return name;
  const endsLikeThat = (other: string): boolean => other.endsWith(`.${name}`);
  const [key, another] = keys.filter(endsLikeThat);
  if (another !== undefined)
    throw new UserError({
      code: 'no-such-column',
      usage: true,
      message: `Several columns end in ${name}: ${keys.filter(endsLikeThat).join(', ')}.`,
      remedy: 'Name one of them in full.',
    });
  const column = key ?? metrics.findLast((metric) => endsLikeThat(metric) || name.startsWith(`${metric}.`));
  if (column === undefined) throw noSuchColumn(name, names);
  return column;
}

function compare(a: Json, b: Json): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return cell(a).localeCompare(cell(b), 'en', { numeric: true });
}

function noSuchColumn(name: string, names: readonly string[]): UserError {
  const near = nearest(name, names);
  return new UserError({
    code: 'no-such-column',
    usage: true,
    message: `The table has no column ${name}.`,
    remedy: near === undefined ? `Its columns: ${names.join(', ')}.` : `Did you mean ${near}?`,
  });
}

/** Results as comma-separated values (RFC 4180): a line a trial, a column for each swept key and each metric. */
export function asCsv(results: readonly TrialResult[], keys: readonly string[]): string {
  const metrics = metricNames(results);
  const stops = results.some(({ stopped }) => stopped !== undefined);
  const head = [
    'trial',
    'status',
    ...keys,
    ...metrics,
    'seconds',
    'run',
    'failure',
    ...(stops ? ['stopped'] : []),
  ];
  const rows = results.map((result) => [
    result.trial,
    result.status,
    ...keys.map((key) => cell(result.values[key])),
    ...metrics.map((name) => cell(result.metrics[name])),
    result.seconds.toFixed(1),
    result.run ?? '',
    result.failure?.message ?? '',
    ...(stops ? [result.stopped ? stoppedSentence(result.stopped) : ''] : []),
  ]);
  return [head, ...rows].map((row) => `${row.map(quoted).join(',')}\n`).join('');
}

function cell(value: Json | undefined): string {
  if (value === undefined || value === null) return '';
  return asText(value);
}

const quoted = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
