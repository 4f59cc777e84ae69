import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { UserError } from '../../errors.js';
import { cachedFile, parseRepository } from '../../huggingface/index.js';
import { downsampleOf } from '../../models/autoencoder-kl/config.js';
import {
  type DiffusersAutoencoder,
  readDiffusersConfig,
  usualScalingFactor,
} from '../../models/autoencoder-kl/diffusers-config.js';
import type { PretrainedAutoencoderConfig } from '../generated/index.js';
import { type AutoencoderFacts, knownAutoencoder } from '../known-autoencoders.js';
import type { CheckContext, StageCheck } from './context.js';
import { shellPath } from './paths.js';

/** Facts of an `autoencoder` stage, as far as the file and what it names tell. */
export function autoencoderFacts(context: CheckContext, id: string): AutoencoderFacts | undefined {
  const config = context.config('autoencoder', id);
  if (config === undefined || !('weights' in config)) return config;
  const fixed = knownAutoencoder(config.weights);
  try {
    const { config: found } = readConfig(config, context) ?? {};
    return found ? { downsample: downsampleOf(found), latentChannels: found.latentChannels } : fixed;
  } catch {
    return undefined;
  }
}

/**
 * What latents of an `autoencoder` stage are multiplied by for training, as far as the file and what it names tell;
 * `statistics` where they are normalised by their own.
 */
export function latentScale(context: CheckContext, id: string): number | 'statistics' | undefined {
  const config = context.config('autoencoder', id);
  if (config === undefined) return undefined;
  if (!('weights' in config)) return 'statistics';
  try {
    const found = readConfig(config, context)?.scalingFactor;
    return found ?? (knownAutoencoder(config.weights) && usualScalingFactor);
  } catch {
    return undefined;
  }
}

/** An autoencoder on this machine is one that can be used. */
export const weightsAreSupported: StageCheck<'autoencoder'> = ({ id, config }, context) => {
  if (!('weights' in config)) return;
  const shell = shellPath(config.weights);
  if (shell) {
    context.report(id, { at: 'weights', ...shell });
    return;
  }
  try {
    readConfig(config, context);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    context.report(id, { at: 'weights', code: error.code, message: error.message, remedy: error.remedy });
  }
};

/** What diffusers' config.json says, where it is on this machine. */
function readConfig(
  { weights }: PretrainedAutoencoderConfig,
  context: CheckContext,
): DiffusersAutoencoder | undefined {
  const repository = parseRepository(weights);
  const beside = join(resolve(context.directory, weights), configName);
  const paths = [beside, repository && cachedFile(repository, configName, process.env)];
  for (const path of paths) {
    const json = path === undefined ? undefined : readJson(path);
    if (json !== undefined) return readDiffusersConfig(json, path!);
  }
  return undefined;
}

const configName = 'config.json';

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}
