import { readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
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

/** Reads the run in a folder; undefined where there is none. */
export async function readRun(directory: string, now = new Date()): Promise<Run | undefined> {
  const record = readRecord(directory);
  return record && describe(directory, record, now);
}

/**
 * The file `run.json`, which is replaced whole whenever it changes; undefined where there is none, or one that is not
 * of this format. Synchronous: a thousand small files take a quarter of the time that they would take otherwise.
 */
export function readRecord(directory: string): RunFile | undefined {
  try {
    const record = JSON.parse(readFileSync(join(directory, runName), 'utf8')) as RunFile | null;
    return record?.format === 1 ? record : undefined;
  } catch {
    return undefined;
  }
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
