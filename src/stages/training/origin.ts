import { UserError } from '../../base/errors.js';
import { fingerprintOf, type Origin } from '../../runner/fingerprint/origin.js';
import { compareOrigins } from '../../runner/plan/explain.js';
import { formatReason } from '../../runner/plan/reasons.js';
import type { StageContext } from '../../runner/stage.js';
import type { MadeFrom } from '../../training/checkpoint-manifest.js';
import type { Checkpoint } from '../../training/checkpoint.js';

/** Origin of a stage's training, as its checkpoints keep it. */
export function madeFrom({ origin }: StageContext): MadeFrom | undefined {
  return origin && { fingerprint: fingerprintOf(origin), origin };
}

/**
 * Refuses to go on from a checkpoint of a training that is not this one, which someone must have put there.
 *
 * @throws UserError `checkpoint-of-another-training`, naming what differs
 */
export async function refuseForeign(
  { path, made }: Pick<Checkpoint<unknown>, 'path' | 'made'>,
  { id, origin }: StageContext,
): Promise<void> {
  if (origin === undefined || made === undefined || made.fingerprint === fingerprintOf(origin)) return;
  const differences = await compareOrigins(id, made.origin as Origin, origin, () =>
    Promise.resolve(undefined),
  );
  const lines = differences.map((reason) => `\n  ${formatReason(reason)}`).join('');
  throw new UserError({
    code: 'checkpoint-of-another-training',
    message: `${path} is of a training that was set up otherwise (there → here):${lines || ' its data differ.'}`,
    remedy: 'Move it away, or set the keys to what it was trained with.',
  });
}
