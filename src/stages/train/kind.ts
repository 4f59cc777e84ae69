import type { TrainConfig } from '../../generated/index.js';
import type { ShownKind } from '../../pages/kinds.js';
import { addressIsWhole, localInputs, pinPath } from '../pretrained/place.js';
import { runLater } from '../shared/run-later.js';
import { isIncidentalToTraining } from '../training/files.js';
import { lossAt, lossNames, stepSeconds } from '../training/logs.js';
import { trainingChecks } from './checks.js';
import { modelChecks } from './model-checks.js';

/** Keys that change the scale of a loss: the latents, and what of them is predicted, when, by which tokens and with which weight. */
const lossKeys = [
  ...['latents', 'images', 'autoencoder', 'classSampling', 'model.labelDropout', 'tokenRouting'],
  ...[
    'interpolant',
    'prediction',
    'lossWeight',
    'timesteps',
    'timestepShift',
    'trainEpsilon',
    'modelGuidance',
  ],
];

export const stage: ShownKind<TrainConfig> = {
  name: 'train',
  codeVersion: 1,
  figures: [
    ...lossNames,
    'bestStep',
    'steps',
    'snapshots',
    'parameters',
    'samples',
    'expectedMemoryMegabytes',
    'peakMemoryMegabytes',
    'idlePercent',
  ],
  amounts: ['bestStep', 'steps', 'snapshots', 'parameters', 'samples'],
  headlines: [{ name: 'loss', better: 'less', within: lossKeys }],
  dependsOnPrecision: true,
  dependsOnEngine: true,
  dataParallel: true,
  externalInputs: ({ start }, folder) => (typeof start === 'object' ? localInputs(start, folder) : []),
  pin: async ({ start }, _folder, signal) => {
    const path = typeof start === 'object' ? await pinPath(start, signal) : undefined;
    return path === undefined ? {} : { 'start.path': path };
  },
  isIncidental: isIncidentalToTraining,
  timing: async (config, resolve) => (await import('./facts.js')).trainTiming(config, resolve),
  onTheWay: {
    headline: { name: 'loss', better: 'less', within: [...lossKeys, 'until'] },
    figuresAt: lossAt,
  },
  unitSeconds: ({ directory }) => stepSeconds(directory),
  measure: async (config, resolve, runtime, folders) =>
    (await import('./rate.js')).measureTraining(config, resolve, runtime, folders),
  describe: async (config, resolve, runtime, folder) =>
    (await import('./facts.js')).describeTrain(config, resolve, runtime, folder),
  check: async (config, resolve, folder, runtime) => {
    const { requirePlannedEffects, requirePlannedClassesToGuide, requirePlannedMemory } =
      await import('./facts.js');
    requirePlannedEffects(config, resolve);
    const teacher =
      config.teacher && (await (await import('./teacher.js')).plannedTeacher(config, resolve, folder));
    requirePlannedMemory(config, resolve, runtime, teacher);
    if (config.samples !== undefined || config.evaluate !== undefined || config.modelGuidance !== undefined)
      requirePlannedClassesToGuide(config, resolve);
    if (config.evaluate !== undefined || config.featureAlignment !== undefined)
      await (await import('../../tensorflow/install/feature-network.js')).provideNetwork();
    if (config.start !== undefined) await (await import('./start.js')).plannedCarry(config, resolve, folder);
  },
  checks: [addressIsWhole, ...modelChecks, ...trainingChecks],
  page: async () => (await import('./page.js')).page,
  run: runLater(() => import('./run.js')),
};
