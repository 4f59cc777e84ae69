import { readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { UserError } from '../../errors.js';
import { systemProblem } from '../../files/file-errors.js';
import { eventsName, runLockName, runName, type RunFile } from '../run/run-file.js';
import { tellingFigures, type RunFigure } from './figures.js';
import { readProgress, type LiveProgress } from './live-progress.js';
import type { RunState } from './states.js';

/** One run, as found in the folder of runs. */
export interface Run {
  /** `NAME/TIME`. */
  readonly id: string;
  /** Absolute path of its folder. */
  readonly directory: string;
  readonly state: RunState;
  readonly record: RunFile;
  /** ISO 8601; of a run that died, when it was last heard of. Absent while it runs. */
  readonly endedAt?: string;
  /** From its start to its end, or to now. */
  readonly seconds: number;
  /** The stage that is running, or in which the run ended before it was finished. */
  readonly stage?: string;
  /** How far that stage is, or was. */
  readonly progress?: LiveProgress;
  readonly figures: readonly RunFigure[];
}

/** Reads the run in a folder; undefined where there is none. @throws UserError `run-unreadable` */
export async function readRun(directory: string, now = new Date()): Promise<Run | undefined> {
  const record = readRecord(directory);
  return record && describe(directory, record, now);
}

/**
 * The file `run.json`, which is replaced whole whenever it changes; undefined where there is none. Synchronous: a
 * thousand small files take a quarter of the time that they would take otherwise.
 *
 * @throws UserError `run-unreadable` where it is not of this form
 */
export function readRecord(directory: string): RunFile | undefined {
  const path = join(directory, runName);
  let record: unknown;
  try {
    record = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw unreadable(path, error instanceof SyntaxError ? 'no JSON' : systemProblem(error)?.found, error);
  }
  if (isRunFile(record)) return record;
  throw unreadable(path, 'something else');
}

const isMap = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isText = (value: unknown): value is string => typeof value === 'string';
const isTexts = (value: unknown): boolean => Array.isArray(value) && value.every(isText);
const isTime = (value: unknown): boolean => isText(value) && !Number.isNaN(Date.parse(value));

/** Whether everything is as whoever reads a run takes it to be. */
function isRunFile(value: unknown): value is RunFile {
  if (!isMap(value) || value.format !== 1) return false;
  const { pipeline, file, status, host, startedAt, finishedAt, options, stages } = value;
  return (
    [pipeline, file, host].every(isText) &&
    isTime(startedAt) &&
    (status === 'running' || (['finished', 'failed', 'interrupted'].includes(status as string) && isTime(finishedAt))) &&
    isMap(options) &&
    isTexts(options.set) &&
    isTexts(options.force) &&
    isMap(stages) &&
    Object.values(stages).every(isStageRecord)
  );
}

function isStageRecord(value: unknown): boolean {
  if (!isMap(value)) return false;
  const { kind, after, status, reasons, fingerprint, output, seconds, summary, progress, failure } = value;
  const isOptional = (part: unknown, is: (part: unknown) => boolean): boolean => part === undefined || is(part);
  const isNumber = (part: unknown): boolean => typeof part === 'number';
  return (
    [kind, status].every(isText) &&
    [after, reasons].every(isTexts) &&
    [fingerprint, output].every((part) => isOptional(part, isText)) &&
    isOptional(seconds, isNumber) &&
    isOptional(summary, isMap) &&
    isOptional(failure, (part) => isMap(part) && isText(part.message)) &&
    isOptional(
      progress,
      (part) =>
        isMap(part) &&
        [part.done, part.total].every(isNumber) &&
        isText(part.unit) &&
        isOptional(part.figures, (figures) => isMap(figures) && Object.values(figures).every((each) => isNumber(each) || each === null)),
    )
  );
}

function unreadable(path: string, found = 'what cannot be read', cause?: unknown): UserError {
  return new UserError({
    code: 'run-unreadable',
    message: `${path}: expected a run of format 1, found ${found}.`,
    remedy: 'Remove the folder of this run, or put the file back; its outputs are kept until then.',
    cause,
  });
}

async function describe(directory: string, record: RunFile, now: Date): Promise<Run> {
  const state = record.status === 'running' ? await stateOfUnended(directory) : record.status;
  const stage = Object.entries(record.stages).find(([, { status }]) =>
    ['running', 'failed', 'interrupted'].includes(status),
  );
  const isOver = record.status !== 'running';
  const progress =
    stage && (isOver ? stage[1].progress : ((await readProgress(directory, stage[0])) ?? stage[1].progress));
  const endedAt = isOver
    ? record.finishedAt
    : state === 'died'
      ? await lastHeardOf(directory, record)
      : undefined;
  const end = endedAt === undefined ? now.getTime() : Date.parse(endedAt);
  return {
    id: `${basename(dirname(directory))}/${basename(directory)}`,
    directory,
    state,
    record,
    ...(endedAt !== undefined && { endedAt }),
    seconds: Math.max(0, (end - Date.parse(record.startedAt)) / 1000),
    ...(stage && { stage: stage[0] }),
    ...(progress && { progress }),
    figures: tellingFigures(record.stages),
  };
}

/**
 * A process number may have been given to another process since: only the lock tells whether the run is alive. What asks
 * for it is loaded where there is such a run.
 */
async function stateOfUnended(directory: string): Promise<RunState> {
  const { isLocked } = await import('../../files/file-lock.js');
  return isLocked(join(directory, runLockName)) ? 'running' : 'died';
}

async function lastHeardOf(directory: string, { startedAt }: RunFile): Promise<string> {
  const file = await stat(join(directory, eventsName)).catch(() => undefined);
  return file?.mtime.toISOString() ?? startedAt;
}
