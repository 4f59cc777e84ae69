import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { lastValueFrom, toArray } from 'rxjs';
import type { TimedRunEvent } from '../../src/runner/run/events.js';
import { runPipeline } from '../../src/runner/run/run-pipeline.js';
import { loadPipeline } from '../../src/stages/load.js';
import { stageRegistry } from '../../src/stages/registry.js';

/** Events of a pipeline that is written to `name` and run with the real kinds of stage, its runs below `runs`. */
export async function runText(folder: string, name: string, text: string): Promise<TimedRunEvent[]> {
  const file = join(folder, name);
  await writeFile(file, text);
  const loaded = await loadPipeline(file);
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.diagnostics));
  const { pipeline } = loaded;
  const signal = new AbortController().signal;
  const events = runPipeline({ pipeline, registry: stageRegistry, runsRoot: join(folder, 'runs'), signal });
  return lastValueFrom(events.pipe(toArray()));
}

/** Failures of stages, in the order in which they happened. */
export const failuresOf = (events: readonly TimedRunEvent[]) =>
  events.flatMap((event) => (event.type === 'stage-failed' ? [event.failure] : []));
