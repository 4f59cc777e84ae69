import type { ImagesConfig } from '../../generated/index.js';
import type { ShownKind } from '../../pages/kinds.js';
import { runLater } from '../shared/run-later.js';
import { addressesAreWhole, classesAreLabelled } from './checks.js';
import { describeImages, hubImages, locate } from './facts.js';

export const stage: ShownKind<ImagesConfig> = {
  name: 'images',
  codeVersion: 4,
  figures: ['images', 'perClass', 'size', 'skipped'],
  amounts: ['images', 'classes', 'size', 'skipped'],
  dependsOnPrecision: false,
  dependsOnSeed: false,
  externalInputs: (config, pipelineDirectory) => {
    const { location, labels, classNames } = locate(config, pipelineDirectory);
    return [
      ...(hubImages(config) === undefined ? [location] : []),
      ...(typeof labels === 'string' ? [] : [labels.file]),
      ...(classNames === undefined ? [] : [classNames]),
    ];
  },
  // Its output names images; what is in them is read where they are.
  passesOn: async (directory) => {
    const { set, paths } = await (await import('../../data/images/image-index.js')).readImageIndex(directory);
    return set.contained?.revision === undefined ? (set.contained?.files ?? paths) : undefined;
  },
  pin: async (config, _folder, signal) => {
    const hub = hubImages(config);
    return hub === undefined ? {} : { path: await (await import('./hub.js')).pinImages(hub, signal) };
  },
  checks: [classesAreLabelled, addressesAreWhole],
  // What is in a folder is not known before: it takes as long as it took.
  timing: ({ path, labels, classes, size }) => Promise.resolve({ like: { path, labels, classes, size } }),
  measure: async (config, _resolve, _runtime, folders) =>
    (await import('./rate.js')).measureReading(config, folders),
  describe: async (config) => {
    const hub = hubImages(config);
    const download = hub && (await (await import('./hub.js')).describeDownload(hub));
    return [...(download ? [download] : []), ...describeImages(config)];
  },
  page: async () => (await import('./page.js')).page,
  run: runLater(() => import('./run.js')),
};
