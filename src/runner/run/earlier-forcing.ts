import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { UserError } from '../../base/errors.js';
import { tellDamaged } from '../../base/sealed.js';
import type { EarlierForcing } from '../plan/plan.js';
import type { Pipeline } from '../pipeline.js';
import { readRunFile } from '../runs/run.js';
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
    const run = readable(join(folder, name));
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

/** The run in a folder; undefined where there is none, or its record is damaged, which is told of. */
function readable(directory: string): RunFile | undefined {
  try {
    return readRunFile(directory);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    tellDamaged(
      join(directory, runName),
      error.cause ?? 'is not of the expected form',
      'if --force began in that run, it begins anew',
    );
    return undefined;
  }
}
