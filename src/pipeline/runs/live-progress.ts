import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { TimedRunEvent } from '../run/events.js';
import { eventsName } from '../run/run-file.js';
import { type KeptProgress, type StageEvent, type StageProgress, withoutType } from '../stage.js';
import { ProgressMeter, type Pace } from './progress-meter.js';

/** How far a stage is, and how fast where that can be told. */
export interface LiveProgress extends KeptProgress, Pace {}

/** Bytes of a run's events that are read, however long they are: more than half a minute of progress. */
const tailBytes = 64 * 1024;

/** The progress of a stage from the end of its run's events; undefined where it has told none. */
export async function readProgress(directory: string, stage: string): Promise<LiveProgress | undefined> {
  const meter = new ProgressMeter();
  for (const event of await lastEvents(join(directory, eventsName)))
    if (event.type === 'stage-event' && event.stage === stage && isProgress(event.event))
      meter.add(event.event, Date.parse(event.time) / 1000);
  if (meter.last === undefined) return undefined;
  return { ...withoutType(meter.last), ...meter.pace };
}

function isProgress(event: StageEvent | undefined): event is StageProgress {
  return event?.type === 'progress' && [event.done, event.total].every((count) => typeof count === 'number');
}

async function lastEvents(path: string): Promise<TimedRunEvent[]> {
  const file = await open(path, 'r').catch(() => undefined);
  if (file === undefined) return [];
  try {
    const { size } = await file.stat();
    const start = Math.max(0, size - tailBytes);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(size - start), 0, size - start, start);
    const lines = buffer.toString('utf8', 0, bytesRead).split('\n');
    // The last line may still be being written, and the first one may be cut off.
    return lines.slice(start === 0 ? 0 : 1, -1).flatMap(parseEvent);
  } catch {
    return [];
  } finally {
    await file.close();
  }
}

/** What is no event, such as what a crash of the machine leaves, is passed over. */
function parseEvent(line: string): readonly TimedRunEvent[] {
  try {
    const event = JSON.parse(line) as Partial<TimedRunEvent> | null;
    return typeof event?.type === 'string' ? [event as TimedRunEvent] : [];
  } catch {
    return [];
  }
}
