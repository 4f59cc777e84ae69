import { UserError } from '../../errors.js';
import { environment } from '../environment.js';
import type { Plan } from '../plan/plan.js';
import type { Json } from '../stage.js';
import type { Manifest } from '../store/manifest.js';
import { compareOutput, compareWithLock, roundingDifferences, type LockDifference } from './compare.js';
import { lockPath } from './lock-file.js';
import type { Lock } from './lock.js';

/** A plan or an output is not as the lock has it. */
export class LockDiffersError extends UserError {
  readonly differences: readonly LockDifference[];

  constructor(message: string, remedy: string, differences: readonly LockDifference[]) {
    super({ code: 'lock-differs', message, remedy });
    this.differences = differences;
  }
}

/** @throws LockDiffersError where a run of the plan, here and now, would not be the run that the lock tells of. */
export function refuseDifferences(plan: Plan, lock: Lock): void {
  const { file, runtime } = plan.pipeline;
  const differences = compareWithLock(plan, lock, environment(runtime));
  if (differences.length === 0) return;
  const count = `${differences.length} ${differences.length === 1 ? 'fact differs' : 'facts differ'}`;
  throw new LockDiffersError(
    `${count} from ${lockPath(file)}; nothing was run.`,
    'Undo the changes, or run without --locked, which writes the lock anew.',
    differences,
  );
}

/** @throws LockDiffersError where a stage's output is not the one that the lock tells of. */
export function refuseOutput(pipelineFile: string, lock: Lock, id: string, output: Manifest): void {
  const differences = compareOutput(id, lock.stages[id]!, output);
  if (differences.length === 0) return;
  const causes = roundingDifferences(lock, id, output);
  const lines = [...differences, ...causes].map((difference) => `\n  ${formatDifference(difference)}`);
  throw new LockDiffersError(
    `The output is not the one that ${lockPath(pipelineFile)} tells of:${lines.join('')}`,
    causes.length > 0
      ? `${causes.map(({ key }) => key).join(', ')}: another one may round the last bits otherwise, from which all else follows. On the same kind of machine, with the same settings, outputs are equal.`
      : 'With the same versions, settings and kind of processor outputs are equal: report this, with both locks.',
    differences,
  );
}

/** Such as `stages.train.steps: 2300 in the lock, 20 found`. */
export function formatDifference({ key, locked, found }: LockDifference): string {
  const words = (value: Json | undefined): string =>
    value === undefined ? 'nothing' : typeof value === 'string' ? value : JSON.stringify(value);
  return `${key}: ${words(locked)} in the lock, ${words(found)} found`;
}
