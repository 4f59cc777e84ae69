import { resolve } from 'node:path';
import type { PretrainedConfig } from '../../generated/index.js';
import type { StageFact } from '../../runner/stage.js';
import { readClassNames } from '../../data/images/class-names.js';
import type { ModelSource } from '../../weights/model-source.js';
import { isFile, locatePlanned } from './place.js';

/**
 * Opens the model of a `pretrained` stage, or of the `start` of a training. Of its files only headers are read.
 *
 * @param path its place on this machine
 * @param folder where the other paths of its configuration start
 * @throws UserError as `openModel` and `readClassNames`
 */
export async function openPretrained(
  path: string,
  config: PretrainedConfig,
  folder: string,
): Promise<ModelSource> {
  const classes = isFile(config.classes)
    ? (await readClassNames(resolve(folder, config.classes.file))).names
    : config.classes;
  // Loaded when there is a file to open: planning without one needs no tensors.
  const { openModel } = await import('../../weights/open.js');
  return openModel(path, { ...config, classes });
}

/** Opens the model where it is on this machine already. @throws UserError as `openPretrained` */
export async function openPlanned(
  config: PretrainedConfig,
  folder: string,
): Promise<ModelSource | undefined> {
  const path = await locatePlanned(config, folder);
  return path === undefined ? undefined : openPretrained(path, config, folder);
}

/** Tells what is taken for what in a file, from its header. @throws UserError as `openPretrained` */
export async function describePretrained(config: PretrainedConfig, folder: string): Promise<StageFact[]> {
  const source = await openPlanned(config, folder);
  if (source === undefined) return [{ label: 'weights', value: `${config.path}, downloaded when it runs` }];
  await source.close();
  return source.told.map((value) => ({ label: 'weights', value }));
}
