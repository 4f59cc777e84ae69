import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { locationOf } from '../../base/patterns.js';
import type { LatentsConfig } from '../../generated/index.js';
import type { StageKind } from '../../runner/stage.js';
import { runLater } from '../shared/run-later.js';
import { filesName } from './files.js';

export const stage: StageKind<LatentsConfig> = {
  name: 'latents',
  codeVersion: 1,
  figures: ['latents'],
  dependsOnPrecision: false,
  dependsOnSeed: false,
  externalInputs: ({ path, classNames }, folder) => [
    locationOf(path, folder),
    ...(classNames === undefined ? [] : [resolve(folder, classNames)]),
  ],
  // Its output names files; what is in them is read where they are.
  passesOn: async (directory) => JSON.parse(await readFile(join(directory, filesName), 'utf8')) as string[],
  run: runLater(() => import('./run.js')),
};
