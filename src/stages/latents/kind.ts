import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { readWholeText } from '../../base/files.js';
import { expandLocation, locationOf } from '../../base/patterns.js';
import { foreignStatisticsName } from '../../data/latents/format.js';
import type { LatentsConfig } from '../../generated/index.js';
import type { ShownKind } from '../../pages/kinds.js';
import { code } from '../../runner/diagnostics.js';
import type { StageCheck } from '../shared/check.js';
import { runLater } from '../shared/run-later.js';
import { filesName } from './files.js';

/** Classes are named where there are any. */
const namesAreOfClasses: StageCheck<'latents'> = ({ id, config }, context) => {
  if (config.labels !== 'none' || config.classNames === undefined) return;
  context.report(id, {
    at: 'classNames',
    code: 'no-effect',
    message: `With ${code('labels: none')} latents have no classes to name.`,
    remedy: `Remove ${code('classNames')}, or ${code('labels: none')}.`,
  });
};

export const stage: ShownKind<LatentsConfig> = {
  name: 'latents',
  codeVersion: 2,
  figures: ['latents', 'perClass'],
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
  checks: [namesAreOfClasses],
  // What is in files is not known before they are opened: it takes as long as it took.
  timing: ({ path, labels, flips }) => Promise.resolve({ like: { path, labels, flips } }),
  measure: async (config, _resolve, _runtime, { pipeline: folder }) =>
    (await import('./rate.js')).measureLatents(config, folder),
  page: async () => (await import('../images/page.js')).latentsPage,
  run: runLater(() => import('./run.js')),
};

/** The statistics beside files that are named themselves; those in a folder are part of it. */
function statisticsBeside(location: string): readonly string[] {
  const [first] = expandLocation(location).paths;
  if (first === undefined || !/\.safetensors$/i.test(first)) return [];
  const path = join(dirname(first), foreignStatisticsName);
  return existsSync(path) ? [path] : [];
}
