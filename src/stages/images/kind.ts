import type { ImagesConfig } from '../../generated/index.js';
import type { ShownKind } from '../../pages/kinds.js';
import { runLater } from '../shared/run-later.js';
import { classesAreLabelled } from './checks.js';
import { describeImages, locate } from './facts.js';

export const stage: ShownKind<ImagesConfig> = {
  name: 'images',
  codeVersion: 3,
  figures: ['images', 'perClass', 'size', 'skipped'],
  amounts: ['images', 'classes', 'size', 'skipped'],
  dependsOnPrecision: false,
  dependsOnSeed: false,
  externalInputs: (config, pipelineDirectory) => {
    const { location, labels, classNames } = locate(config, pipelineDirectory);
    return [
      location,
      ...(typeof labels === 'string' ? [] : [labels.file]),
      ...(classNames === undefined ? [] : [classNames]),
    ];
  },
  // Its output names images; what is in them is read where they are.
  passesOn: async (directory) => {
    const { set, paths } = await (await import('../../data/images/image-index.js')).readImageIndex(directory);
    return set.contained?.files ?? paths;
  },
  checks: [classesAreLabelled],
  describe: (config) => Promise.resolve(describeImages(config)),
  page: async () => (await import('./page.js')).page,
  run: runLater(() => import('./run.js')),
};
