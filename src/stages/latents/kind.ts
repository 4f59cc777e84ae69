import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { readWholeText } from '../../base/files.js';
import { expandLocation, locationOf } from '../../base/patterns.js';
import { foreignStatisticsName } from '../../data/latents/format.js';
import type { LatentsConfig } from '../../generated/index.js';
import type { StageKind } from '../../runner/stage.js';
import { runLater } from '../shared/run-later.js';
import { filesName } from './files.js';

export const stage: StageKind<LatentsConfig> = {
  name: 'latents',
  codeVersion: 1,
  figures: ['latents'],
  amounts: ['latents'],
  dependsOnPrecision: false,
  dependsOnSeed: false,
  externalInputs: ({ path, classNames }, folder) => [
    locationOf(path, folder),
    ...statisticsBeside(locationOf(path, folder)),
    ...(classNames === undefined ? [] : [resolve(folder, classNames)]),
  ],
  // Its output names files; what is in them is read where they are.
  passesOn: async (directory) => JSON.parse(await readWholeText(join(directory, filesName))) as string[],
  run: runLater(() => import('./run.js')),
};

/** The statistics beside files that are named themselves; those in a folder are part of it. */
function statisticsBeside(location: string): readonly string[] {
  const [first] = expandLocation(location).paths;
  if (first === undefined || !/\.safetensors$/i.test(first)) return [];
  const path = join(dirname(first), foreignStatisticsName);
  return existsSync(path) ? [path] : [];
}
