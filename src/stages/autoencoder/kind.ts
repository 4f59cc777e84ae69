import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pinnedCommit } from '../../formats/hub/files.js';
import { pinOf } from '../../formats/hub/repository.js';
import { shardsOf } from '../../formats/safetensors/shard-index.js';
import type { AutoencoderConfig, PretrainedAutoencoderConfig } from '../../generated/index.js';
import type { ShownKind } from '../../pages/kinds.js';
import { type AutoencoderPlace, autoencoderPlace } from '../../weights/autoencoder-download.js';
import { noAutoencoder } from '../../models/autoencoder-kl/config.js';
import { configBeside } from '../../weights/diffusers-files.js';
import { flippedClassesExist } from '../shared/latent-checks.js';
import { runLater } from '../shared/run-later.js';
import { isIncidentalToTraining } from '../training/files.js';
import { lossAt, stepSeconds } from '../training/logs.js';
import { autoencoderChecks } from './checks.js';

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
  amounts: ['steps', 'latentChannels', 'downsample'],
  headlines: [{ name: 'peakSignalToNoiseDb', better: 'more', within: ['images'] }],
  dependsOnPrecision: true,
  dependsOnEngine: true,
  dataParallel: true,
  externalInputs: (config, folder) => ('weights' in config ? localWeights(config, folder) : []),
  pin: (config, folder, signal) =>
    'weights' in config ? pinWeights(config, folder, signal) : Promise.resolve({}),
  isIncidental: isIncidentalToTraining,
  describe: async (config, resolve, runtime) =>
    (await import('./facts.js')).describeAutoencoder(config, resolve, runtime),
  check: async (config, resolve, _folder, runtime) => {
    if (!('weights' in config)) (await import('./facts.js')).requirePlannedMemory(config, resolve, runtime);
  },
  timing: async (config, resolve) => (await import('./facts.js')).autoencoderTiming(config, resolve),
  onTheWay: {
    headline: { name: 'loss', better: 'less', within: ['images', 'klWeight', 'classSampling'] },
    figuresAt: lossAt,
  },
  unitSeconds: ({ directory }) => stepSeconds(directory),
  measure: async (config, resolve, runtime, folders) => {
    const { measureAutoencoder, measureTakenAutoencoder } = await import('./rate.js');
    if (!('weights' in config)) return measureAutoencoder(config, resolve, runtime, folders);
    if (placeOf(config, folders.pipeline) === undefined)
      return measureTakenAutoencoder(config, folders.pipeline);
    return (await import('../shared/rate.js')).untoldDownload(config.weights);
  },
  checks: [...autoencoderChecks, flippedClassesExist],
  page: async () => (await import('./page.js')).page,
  run: runLater(() => import('./run.js')),
};

type Config = PretrainedAutoencoderConfig;

/** Finds the place on Hugging Face; none where a path is there, which wins as in Hugging Face's own libraries. */
function placeOf({ weights }: Config, folder: string): AutoencoderPlace | undefined {
  return weights === noAutoencoder || existsSync(resolve(folder, weights))
    ? undefined
    : autoencoderPlace(weights);
}

/** The folder or file of the weights and what is read beside it, unless they are on Hugging Face. */
function localWeights(config: Config, folder: string): readonly string[] {
  if (config.weights === noAutoencoder || placeOf(config, folder) !== undefined) return [];
  const path = resolve(folder, config.weights);
  const beside = configBeside(path);
  const shards = existsSync(path) ? shardsOf(path) : [];
  return [path, ...shards, ...(beside !== undefined && existsSync(beside) ? [beside] : [])];
}

/** Pin of a place on Hugging Face. */
async function pinWeights(
  config: Config,
  folder: string,
  signal?: AbortSignal,
): Promise<Readonly<Record<string, string>>> {
  const place = placeOf(config, folder);
  if (place === undefined) return {};
  const commit = await pinnedCommit(place.repository, { env: process.env, signal }, place.file);
  return { weights: pinOf(commit, place.file ?? place.folder) };
}
