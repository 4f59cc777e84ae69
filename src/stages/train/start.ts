import { join } from 'node:path';
import { openTensors } from '../../data/safetensors/index.js';
import { carryTensor, checkCarried } from '../../models/sit/carry.js';
import { type SiTConfig, gridOf } from '../../models/sit/config.js';
import { sitParameters } from '../../models/sit/parameters.js';
import { type HostTensor, float32 } from '../../tensorflow/index.js';
import { averageGroups } from '../../training/state-groups.js';
import type { Trainer } from '../../training/trainer.js';
import type { SavedModel } from './saved-model.js';

/** The model that training starts from, and the output that it is in. */
export interface StartModel {
  readonly directory: string;
  readonly saved: SavedModel;
}

/**
 * Sets a trainer to the weights of a trained model and their moving averages, carried to the size of the new latents;
 * moments are zero, as at any start. An average goes on from the model's own of the same decay, or else from its first.
 *
 * @param decays of the trainer's averages
 * @throws UserError `weights-not-carried` where the models differ in more than the size of their latents.
 */
export async function startFrom(
  trainer: Trainer,
  { directory, saved }: StartModel,
  model: SiTConfig,
  decays: readonly number[],
): Promise<void> {
  checkCarried(saved.config, model);
  const carried = (path: string) => carriedWeights(join(directory, path), saved.config, model);
  await trainer.start(await carried(saved.weights.raw));
  const paths: Readonly<Record<string, string | undefined>> = saved.weights;
  for (const [i, group] of averageGroups(decays).entries()) {
    const average = await carried(paths[`ema-${decays[i]!}`] ?? saved.weights.ema);
    await trainer.write(group, (name) => average[name]!);
  }
}

async function carriedWeights(
  path: string,
  from: SiTConfig,
  to: SiTConfig,
): Promise<Record<string, HostTensor>> {
  const file = await openTensors(path);
  try {
    const carried: Record<string, HostTensor> = {};
    for (const { name, shape } of sitParameters(from)) {
      const value = float32(shape, await file.readFloat32(name));
      carried[name] = carryTensor(name, value, gridOf(from), gridOf(to));
    }
    return carried;
  } finally {
    await file.close();
  }
}
