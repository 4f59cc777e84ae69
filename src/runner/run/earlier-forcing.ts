import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { readWholeText } from '../../base/files.js';
import type { Pipeline } from '../pipeline.js';
import { type RunFile, runName, type RunOptionsRecord } from './run-file.js';

/**
 * Time at which forcing began (ISO 8601), where a run of a pipeline continues one that was asked for the same and did
 * not come to its end. Forcing holds for a run once: its continuation makes nothing again. Undefined where nothing is
 * forced, or nothing continued.
 */
export async function earlierForcing(
  runsRoot: string,
  pipeline: Pick<Pipeline, 'name' | 'file'>,
  { set, until, force }: Omit<RunOptionsRecord, 'forcedSince'>,
): Promise<string | undefined> {
  if (force.length === 0) return undefined;
  const folder = join(runsRoot, pipeline.name);
  // Names are times, and `latest` and the like are no runs.
  const names = (await readdir(folder).catch(() => [])).filter((name) => /^\d/.test(name));
  for (const name of names.sort().reverse()) {
    const text = await readWholeText(join(folder, name, runName)).catch(() => undefined);
    const run = text === undefined ? undefined : parsed(text);
    if (run?.file !== pipeline.file) continue;
    if (!isDeepStrictEqual([run.options.set, run.options.until, run.options.force], [set, until, force]))
      continue;
    return run.status === 'finished' ? undefined : (run.options.forcedSince ?? run.startedAt);
  }
  return undefined;
}

function parsed(text: string): RunFile | undefined {
  try {
    const run = JSON.parse(text) as Partial<RunFile>;
    return run.options === undefined ? undefined : (run as RunFile);
  } catch {
    return undefined;
  }
}
