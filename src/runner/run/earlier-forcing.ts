import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { readWholeText } from '../../base/files.js';
import type { EarlierForcing } from '../plan/plan.js';
import type { Pipeline } from '../pipeline.js';
import { type RunFile, runName, type RunOptionsRecord } from './run-record.js';

/**
 * Finds the forcing that a run of a pipeline continues, where one that was asked for the same did not come to its end.
 * Forcing holds for a run once: its continuation makes nothing again. Undefined where nothing is forced, or nothing
 * continued.
 */
export async function earlierForcing(
  runsRoot: string,
  pipeline: Pick<Pipeline, 'name' | 'file'>,
  { set, until, force }: Omit<RunOptionsRecord, 'forcedSince'>,
): Promise<EarlierForcing | undefined> {
  if (force.length === 0) return undefined;
  const folder = join(runsRoot, pipeline.name);
  // Names are times, and `latest` and the like are no runs.
  const names = (await readdir(folder).catch(() => [])).filter((name) => /^\d/.test(name));
  let since: string | undefined;
  const made: string[] = [];
  for (const name of names.sort().reverse()) {
    const text = await readWholeText(join(folder, name, runName)).catch(() => undefined);
    const run = text === undefined ? undefined : parsed(text);
    if (run?.file !== pipeline.file) continue;
    if (!isDeepStrictEqual([run.options.set, run.options.until, run.options.force], [set, until, force]))
      continue;
    if (run.status === 'finished') break;
    since ??= run.options.forcedSince ?? run.startedAt;
    if (run.startedAt < since) break;
    for (const [id, stage] of Object.entries(run.stages)) if (stage.status === 'finished') made.push(id);
  }
  return since === undefined ? undefined : { since, made };
}

function parsed(text: string): RunFile | undefined {
  try {
    const { options, stages } = JSON.parse(text) as Record<string, unknown>;
    const isWhole = [options, stages].every((part) => typeof part === 'object' && part !== null);
    return isWhole ? (JSON.parse(text) as RunFile) : undefined;
  } catch {
    return undefined;
  }
}
