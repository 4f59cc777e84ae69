import { metricsName, speedName } from '../../formats/metrics-log.js';
import { manifestName } from '../../training/checkpoint-manifest.js';

/** The folder, in a training stage's output, of its checkpoints: each in a folder named after its step. */
export const checkpointsName = 'checkpoints';

/** The folder of pictures that are drawn during training. */
export const picturesName = 'samples';

/** The folder of event files for TensorBoard, and the file with the id of the run at Weights & Biases. */
export const tensorboardName = 'tensorboard';
export const wandbName = 'wandb.json';

const incidental = [metricsName, speedName, picturesName, tensorboardName, wandbName];

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
