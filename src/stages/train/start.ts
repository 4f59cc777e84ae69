import { join } from 'node:path';
import { openTensors } from '../../data/safetensors/index.js';
import { carryTensor, checkCarried } from '../../models/sit/carry.js';
import { type SiTConfig, gridOf } from '../../models/sit/config.js';
import { sitParameters } from '../../models/sit/parameters.js';
import { float32 } from '../../tensorflow/index.js';
import { averageGroups } from '../../training/state-groups.js';
import type { Trainer, ValueOf } from '../../training/trainer.js';
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
  const shapes = new Map(sitParameters(saved.config).map(({ name, shape }) => [name, shape]));
  const carried = async (path: string, use: (valueOf: ValueOf) => Promise<void>): Promise<void> => {
    const file = await openTensors(join(directory, path));
    try {
      await use(async (name) => {
        const value = float32(shapes.get(name)!, await file.readFloat32(name));
        return carryTensor(name, value, gridOf(saved.config), gridOf(model));
      });
    } finally {
      await file.close();
    }
  };
  await carried(saved.weights.raw, (weightOf) => trainer.start(weightOf));
  const paths: Readonly<Record<string, string | undefined>> = saved.weights;
  for (const [i, group] of averageGroups(decays).entries()) {
    const path = paths[`ema-${decays[i]!}`] ?? saved.weights.ema;
    await carried(path, (averageOf) => trainer.write(group, averageOf));
  }
}
