import { UserError } from '../../base/errors.js';
import { lockPath, makeLock, writeLock } from '../../runner/lock/lock-file.js';
import type { Pipeline } from '../../runner/pipeline.js';
import { makePlan } from '../../runner/plan/plan.js';
import { findRunsRoot } from '../../runner/runs-root.js';
import { loadWithSources, reportMissing } from '../load.js';
import { cachedNotes } from '../planned.js';
import { commandPath, exitCodes, say, type Services, shortPath } from '../services.js';

export interface LockOptions {
  readonly set: string[];
  readonly runs?: string;
}

/** `pipeline lock`: writes the lock of a pipeline all of which has run. Gives the exit code. */
export async function lock(file: string, options: LockOptions, services: Services): Promise<number> {
  const loaded = await loadWithSources(file, options.set, services);
  if (loaded === undefined) return exitCodes.invalid;
  return lockLoaded(loaded.pipeline, options, services).catch((error: unknown) =>
    reportMissing(error, loaded, services),
  );
}

async function lockLoaded(pipeline: Pipeline, options: LockOptions, services: Services): Promise<number> {
  const plan = await makePlan({
    pipeline,
    registry: await services.loadRegistry(),
    runsRoot: findRunsRoot(pipeline.file, options.runs, services.env),
  });
  const missing = plan.stages
    .filter(({ output, awaits }) => output === undefined || awaits.length > 0)
    .map(({ stage }) => stage.id);
  if (missing.length > 0)
    throw new UserError({
      code: 'lock-incomplete',
      message: `${shortPath(pipeline.file)}: a lock tells of finished outputs; ${missing.join(', ')} ${missing.length === 1 ? 'has' : 'have'} none.`,
      remedy: `npx pipeline run ${commandPath(pipeline.file)}`,
    });
  for (const note of plan.stages.flatMap(cachedNotes)) say(services.stderr, `note: ${note}\n`);
  const outputs = new Map(plan.stages.map(({ stage, output }) => [stage.id, output!]));
  const changed = await writeLock(makeLock(plan, outputs, options.set), pipeline.file);
  say(services.stdout, `${shortPath(lockPath(pipeline.file))}: ${changed ? 'written' : 'unchanged'}\n`);
  return exitCodes.done;
}
