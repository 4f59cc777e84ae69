import { resolve } from 'node:path';
import type { PretrainedConfig } from '../../generated/index.js';
import type { StageFact } from '../../runner/stage.js';
import type { ModelSource } from '../../weights/model-source.js';
import { isFile, readClassNames } from './classes.js';

/**
 * Opens the model that a `pretrained` stage, or the `start` of a training, names. Only headers are read.
 *
 * @param folder where relative paths start
 * @throws UserError as `openModel` and `readClassNames`
 */
export async function openPretrained(config: PretrainedConfig, folder: string): Promise<ModelSource> {
  const classes = isFile(config.classes)
    ? await readClassNames(resolve(folder, config.classes.file))
    : config.classes;
  // Loaded when there is a file to open: planning without one needs no tensors.
  const { openModel } = await import('../../weights/open.js');
  return openModel(resolve(folder, config.path), { ...config, classes });
}

/** Tells what is taken for what in a file, from its header. @throws UserError as `openPretrained` */
export async function describePretrained(config: PretrainedConfig, folder: string): Promise<StageFact[]> {
  const source = await openPretrained(config, folder);
  await source.close();
  return source.told.map((value) => ({ label: 'weights', value }));
}
