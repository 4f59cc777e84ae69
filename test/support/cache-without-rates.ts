import { mkdir, readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder } from '../../src/tensorflow/install/platform.js';

/** Makes a cache in the folder with what the user's has but the speeds that it keeps; returns its environment. */
export async function cacheWithoutRates(folder: string): Promise<{ readonly PIPELINE_CACHE: string }> {
  const cache = join(folder, 'cache');
  await mkdir(cache);
  for (const name of await readdir(cacheFolder()))
    if (name !== 'rates') await symlink(join(cacheFolder(), name), join(cache, name));
  return { PIPELINE_CACHE: cache };
}
