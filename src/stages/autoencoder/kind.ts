import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pinnedCommit } from '../../formats/hub/files.js';
import { parseRepository, type Repository } from '../../formats/hub/repository.js';
import type { AutoencoderConfig, PretrainedAutoencoderConfig } from '../../generated/index.js';
import type { ShownKind } from '../../pages/kinds.js';
import { flippedClassesExist } from '../shared/latent-checks.js';
import { runLater } from '../shared/run-later.js';
import { isIncidentalToTraining } from '../training/files.js';
import { imagesHalve, weightsAreSupported, widthsInGroups, widthsPerResolution } from './checks.js';

export const stage: ShownKind<AutoencoderConfig | PretrainedAutoencoderConfig> = {
  name: 'autoencoder',
  codeVersion: 1,
  figures: [
    'loss',
    'steps',
    'latentChannels',
    'downsample',
    'peakSignalToNoiseDb',
    'scalingFactor',
    'expectedMemoryMegabytes',
    'peakMemoryMegabytes',
    'idlePercent',
  ],
  headlines: [{ name: 'peakSignalToNoiseDb', better: 'more' }],
  dependsOnPrecision: true,
  dependsOnEngine: true,
  externalInputs: (config, folder) => ('weights' in config ? localWeights(config, folder) : []),
  pin: (config, folder, signal) =>
    'weights' in config ? pinWeights(config, folder, signal) : Promise.resolve({}),
  isIncidental: isIncidentalToTraining,
  describe: async (config) => (await import('./facts.js')).describeAutoencoder(config),
  checks: [weightsAreSupported, widthsPerResolution, widthsInGroups, imagesHalve, flippedClassesExist],
  page: async () => (await import('./page.js')).page,
  run: runLater(() => import('./run.js')),
};

type Config = PretrainedAutoencoderConfig;

/** A folder that is there wins over a repository of the same name, as in Hugging Face's own libraries. */
function repositoryOf({ weights }: Config, folder: string): Repository | undefined {
  return existsSync(resolve(folder, weights)) ? undefined : parseRepository(weights);
}

/** The folder of the weights, unless they are a repository. */
function localWeights(config: Config, folder: string): readonly string[] {
  return repositoryOf(config, folder) === undefined ? [resolve(folder, config.weights)] : [];
}

/** The commit of a repository's revision. */
async function pinWeights(
  config: Config,
  folder: string,
  signal?: AbortSignal,
): Promise<Readonly<Record<string, string>>> {
  const repository = repositoryOf(config, folder);
  return repository === undefined
    ? {}
    : { weights: await pinnedCommit(repository, { env: process.env, signal }) };
}
