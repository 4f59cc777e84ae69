import { UserError } from '../../base/errors.js';
import { lossesName, metricsName, speedName } from '../../formats/metrics-log.js';
import { fingerprintOf, type Origin } from '../../runner/fingerprint/origin.js';
import { compareOrigins } from '../../runner/plan/explain.js';
import { formatReason } from '../../runner/plan/reasons.js';
import type { StageContext } from '../../runner/stage.js';
import { type MadeFrom, manifestName } from '../../training/checkpoint-manifest.js';
import type { Checkpoint } from '../../training/checkpoint.js';

/** The folder, in a training stage's output, of its checkpoints: each in a folder named after its step. */
export const checkpointsName = 'checkpoints';

/** The folder of pictures that are drawn during training. */
export const picturesName = 'samples';

/** The folder of the moving average that did best, by its step. */
export const bestName = 'best';

/** The folder of snapshots of averages by a power, each in a folder named after its step. */
export const snapshotsName = 'snapshots';

/** The folder of event files for TensorBoard, and the file with the id of the run at Weights & Biases. */
export const tensorboardName = 'tensorboard';
export const wandbName = 'wandb.json';

const incidental = [metricsName, lossesName, speedName, picturesName, tensorboardName, wandbName];

/**
 * True when a file of a training stage's output depends on how often was logged, drawn and saved: the log, pictures,
 * and every checkpoint but the last, whose tensors are what was trained.
 */
export function isIncidentalToTraining(path: string, all: readonly string[]): boolean {
  if (incidental.some((name) => path === name || path.startsWith(`${name}/`))) return true;
  // A checkpoint's manifest repeats the whole configuration, with keys that change no output.
  if (path.endsWith(`/${manifestName}`)) return true;
  const last = all.findLast((other) => checkpointOf(other) !== undefined);
  const checkpoint = checkpointOf(path);
  return checkpoint !== undefined && checkpoint !== checkpointOf(last!);
}

/** Steps are padded with zeros, so that names are in the order of steps. */
function checkpointOf(path: string): string | undefined {
  const [folder, checkpoint, file] = path.split('/');
  return folder === checkpointsName && file !== undefined ? checkpoint : undefined;
}

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
    message: `${path} belongs to a training with another configuration (there → here):${lines || ' its data differ.'}`,
    remedy: 'Move it away, or set the keys to what it was trained with.',
  });
}
