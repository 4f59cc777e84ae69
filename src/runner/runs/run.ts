import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { UserError } from '../../base/errors.js';
import { openFile, readWholeTextSync, systemProblem } from '../../base/files.js';
import { isMap } from '../../base/is-map.js';
import { DamagedRecord, tellDamaged, unsealAnyLine, unsealJson } from '../../base/sealed.js';
import type { RunState, TimedRunEvent } from '../run/events.js';
import { eventsName, type RunFile, runLockName, runName } from '../run/run-record.js';
import { type KeptProgress, type StageEvent, type StageProgress, withoutType } from '../stage.js';
import { type RunFigure, tellingFigures } from './figures.js';
import { readNote, type RunNote } from './note.js';
import { type Pace, ProgressMeter } from './progress-meter.js';

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
  /** Duration from its start to its end, or to now. */
  readonly seconds: number;
  /** The stage that is running, or in which the run ended before it was finished: the first, where several ran at once. */
  readonly stage?: string;
  /** Progress of that stage, now or when it ended. */
  readonly progress?: LiveProgress;
  /** The other ones that were running at the same time. */
  readonly beside: readonly StageAtWork[];
  readonly figures: readonly RunFigure[];
  /** Words of a person about it. */
  readonly note?: RunNote;
}

/** Reads the run in a folder; undefined where there is none. @throws UserError `run-unreadable` */
export async function readRun(directory: string, now = new Date()): Promise<Run | undefined> {
  const record = readRunFile(directory);
  return record && describe(directory, record, now);
}

/**
 * The file `run.json`, which is replaced whole whenever it changes; undefined where there is none. Synchronous: a
 * thousand small files take a quarter of the time that they would take otherwise.
 *
 * @throws UserError `run-unreadable` where it is not of this form
 */
export function readRunFile(directory: string): RunFile | undefined {
  const path = join(directory, runName);
  let record: unknown;
  try {
    record = unsealJson(readWholeTextSync(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    const found =
      error instanceof DamagedRecord ? `a file that ${error.message}` : systemProblem(error)?.found;
    throw unreadable(path, found, error);
  }
  if (isRunFile(record)) return record;
  throw unreadable(path, 'something else');
}

const isText = (value: unknown): value is string => typeof value === 'string';
const isTexts = (value: unknown): boolean => Array.isArray(value) && value.every(isText);
const isTime = (value: unknown): boolean => isText(value) && !Number.isNaN(Date.parse(value));

/** True when everything has the shape that readers of a run rely on. */
function isRunFile(value: unknown): value is RunFile {
  if (!isMap(value) || value.format !== 1) return false;
  const { pipeline, file, status, host, startedAt, finishedAt, options, configuration = {}, stages } = value;
  return (
    [pipeline, file, host].every(isText) &&
    isTime(startedAt) &&
    (status === 'running' ||
      (['finished', 'failed', 'interrupted'].includes(status as string) && isTime(finishedAt))) &&
    isMap(options) &&
    isTexts(options.set) &&
    isTexts(options.force) &&
    isMap(configuration) &&
    isMap(stages) &&
    Object.values(stages).every(isStageRecord)
  );
}

function isStageRecord(value: unknown): boolean {
  if (!isMap(value)) return false;
  const {
    kind,
    after,
    status,
    reasons,
    fingerprint,
    output,
    seconds,
    summary,
    progress,
    failure,
    expectedSeconds,
  } = value;
  const isOptional = (part: unknown, is: (part: unknown) => boolean): boolean =>
    part === undefined || is(part);
  const isNumber = (part: unknown): boolean => typeof part === 'number';
  return (
    [kind, status].every(isText) &&
    [after, reasons].every(isTexts) &&
    [fingerprint, output].every((part) => isOptional(part, isText)) &&
    isOptional(seconds, isNumber) &&
    isOptional(summary, isMap) &&
    isOptional(expectedSeconds, (part) => Array.isArray(part) && part.length === 2 && part.every(isNumber)) &&
    isOptional(failure, (part) => isMap(part) && isText(part.message)) &&
    isOptional(
      progress,
      (part) =>
        isMap(part) &&
        [part.done, part.total].every(isNumber) &&
        isText(part.unit) &&
        isOptional(
          part.figures,
          (figures) =>
            isMap(figures) && Object.values(figures).every((each) => isNumber(each) || each === null),
        ),
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
  const isOver = record.status !== 'running';
  // What a run failed in tells more than what it was interrupted in.
  const unfinished = (
    isOver ? ['failed', 'interrupted', 'running'] : ['running', 'failed', 'interrupted']
  ).flatMap((status) => Object.entries(record.stages).filter(([, each]) => each.status === status));
  const told = isOver || unfinished.length === 0 ? undefined : await readProgress(directory);
  const [first, ...beside] = unfinished.map(([stage, each]): StageAtWork => {
    const progress = told?.get(stage) ?? each.progress;
    return { stage, ...(progress && { progress }) };
  });
  const endedAt = isOver
    ? record.finishedAt
    : state === 'died'
      ? await lastHeardOf(directory, record)
      : undefined;
  const note = readNote(directory);
  const end = endedAt === undefined ? now.getTime() : Date.parse(endedAt);
  return {
    id: `${basename(dirname(directory))}/${basename(directory)}`,
    directory,
    state,
    record,
    ...(endedAt !== undefined && { endedAt }),
    seconds: Math.max(0, (end - Date.parse(record.startedAt)) / 1000),
    ...first,
    beside,
    figures: tellingFigures(record.stages),
    ...(note && { note }),
  };
}

/**
 * A process number may have been given to another process since: only the lock tells whether the run is alive. What asks
 * for it is loaded where there is such a run.
 */
async function stateOfUnended(directory: string): Promise<RunState> {
  const { isLocked } = await import('../../base/file-lock.js');
  return isLocked(join(directory, runLockName)) ? 'running' : 'died';
}

async function lastHeardOf(directory: string, { startedAt }: RunFile): Promise<string> {
  const file = await stat(join(directory, eventsName)).catch(() => undefined);
  return file?.mtime.toISOString() ?? startedAt;
}

/** Progress of a stage, and its speed where that can be told. */
interface LiveProgress extends KeptProgress, Pace {}

export interface StageAtWork {
  readonly stage: string;
  readonly progress?: LiveProgress;
}

/** Bytes of a run's events that are read, however long they are: more than half a minute of progress. */
const tailBytes = 64 * 1024;

/** The progress of stages from the end of their run's events, by id; of those that have told any there. */
async function readProgress(directory: string): Promise<ReadonlyMap<string, LiveProgress>> {
  const meters = new Map<string, ProgressMeter>();
  for (const event of await lastEvents(join(directory, eventsName)))
    if (event.type === 'stage-event' && isProgress(event.event)) {
      const meter = meters.get(event.stage) ?? new ProgressMeter();
      meters.set(event.stage, meter);
      meter.add(event.event, Date.parse(event.time) / 1000);
    }
  return new Map(
    Array.from(meters, ([stage, { last, pace }]) => [stage, { ...withoutType(last!), ...pace }]),
  );
}

function isProgress(event: StageEvent | undefined): event is StageProgress {
  return event?.type === 'progress' && [event.done, event.total].every((count) => typeof count === 'number');
}

async function lastEvents(path: string): Promise<TimedRunEvent[]> {
  const file = await openFile(path).catch(() => undefined);
  if (file === undefined) return [];
  try {
    const { size } = await file.stat();
    const start = Math.max(0, size - tailBytes);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(size - start), 0, size - start, start);
    const lines = buffer.toString('utf8', 0, bytesRead).split('\n');
    // The last line may still be being written, and the first one may be cut off.
    return lines.slice(start === 0 ? 0 : 1, -1).flatMap((line) => parseEvent(line, path));
  } catch (error) {
    tellDamaged(path, error, withoutEvents);
    return [];
  } finally {
    await file.close();
  }
}

const withoutEvents = 'the progress of the run is told by what else is known';

/** Reads an event from a line; empty for anything else, such as what a crash of the machine leaves, which is told of. */
function parseEvent(line: string, path: string): readonly TimedRunEvent[] {
  try {
    const event = unsealAnyLine(line) as Partial<TimedRunEvent> | null;
    if (typeof event?.type === 'string') return [event as TimedRunEvent];
    throw new DamagedRecord('is no event');
  } catch (error) {
    tellDamaged(path, `a line ${(error as Error).message}`, withoutEvents);
    return [];
  }
}
