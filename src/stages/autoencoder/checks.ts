import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { readWholeTextSync } from '../../base/files.js';
import { UserError } from '../../base/errors.js';
import { counted } from '../../base/format.js';
import type { PretrainedAutoencoderConfig } from '../../generated/index.js';
import {
  type AutoencoderFacts,
  type DiffusersAutoencoder,
  factsOf,
  knownAutoencoder,
  type LatentScale,
  noAutoencoder,
  readDiffusersConfig,
} from '../../models/autoencoder-kl/config.js';
import { code } from '../../runner/diagnostics.js';
import { shellPath } from '../../runner/paths.js';
import { autoencoderPlace, cachedConfig } from '../../weights/autoencoder-download.js';
import { configBeside, diffusersConfigName, pipelinePart } from '../../weights/diffusers-files.js';
import type { PipelineStage } from '../../runner/pipeline.js';
import type { CheckContext, StageCheck } from '../shared/check.js';

/** Halvings between resolutions may not go beyond what `downsample` asks for. */
const widthsPerResolution: StageCheck<'autoencoder'> = ({ id, config }, context) => {
  if ('weights' in config) return;
  const most = Math.log2(config.downsample) + 1;
  if (config.channels.length <= most) return;
  context.report(id, {
    at: 'channels',
    code: 'wrong-length',
    message: `${code('channels')} must have at most ${counted(most, 'width')} for ${code(`downsample: ${config.downsample}`)}: one for the finest resolution and one for each halving; ${config.channels.length} found.`,
  });
};

/** Reports a batch of which each worker would not get as many as another. True where it divides. */
export function dividesBetweenWorkers(
  { id, own }: Pick<PipelineStage, 'id' | 'own'>,
  key: 'batch' | 'globalBatch',
  batch: number,
  context: CheckContext,
): boolean {
  const workers = own?.runtime?.workers ?? context.runtime?.workers ?? 1;
  if (batch % workers === 0) return true;
  context.report(id, {
    at: key,
    code: 'size-not-divisible',
    message: `${code(key)} ${batch} cannot be divided between ${counted(workers, 'worker')}.`,
    remedy: nearestMultiples(batch, workers),
    because: own?.runtime?.workers === undefined ? 'runtime.workers' : `stages.${id}.runtime.workers`,
  });
  return false;
}

/** Each worker gets as many of a batch's images as another. */
const imagesDivideBetweenWorkers: StageCheck<'autoencoder'> = (stage, context) => {
  if (!('weights' in stage.config)) dividesBetweenWorkers(stage, 'batch', stage.config.batch, context);
};

const widthsInGroups: StageCheck<'autoencoder'> = ({ id, config }, context) => {
  if ('weights' in config) return;
  for (const [i, width] of config.channels.entries()) {
    if (width % config.normGroups === 0) continue;
    context.report(id, {
      at: `channels.${i}`,
      code: 'size-not-divisible',
      message: `${counted(width, 'channel')} cannot be divided into ${counted(config.normGroups, 'group')} (${code('normGroups')}).`,
      remedy: nearestMultiples(width, config.normGroups),
    });
  }
};

/** The images that the autoencoder is trained on become latents of whole pixels. */
const imagesHalve: StageCheck<'autoencoder'> = ({ id, config }, context) => {
  if ('weights' in config) return;
  const size = context.config('images', config.images)?.size;
  if (size === undefined || size % config.downsample === 0) return;
  context.report(id, {
    at: 'downsample',
    code: 'size-not-divisible',
    message: `Images of ${counted(size, 'pixel')} cannot be divided by ${code(`downsample: ${config.downsample}`)}.`,
    remedy: `For ${code('size')}: ${nearestMultiples(size, config.downsample)}`,
    because: `stages.${config.images}.size`,
  });
};

/** "Near it are 24 and 32." */
export function nearestMultiples(value: number, factor: number): string {
  const below = Math.floor(value / factor) * factor;
  const near = [below, below + factor].filter((multiple) => multiple > 0);
  return near.length === 1 ? `The nearest is ${near[0]!}.` : `The nearest are ${near.join(' and ')}.`;
}

/** Facts of an `autoencoder` stage, as far as the file and what it names tell. */
export function autoencoderFacts(context: CheckContext, id: string): AutoencoderFacts | undefined {
  const config = context.config('autoencoder', id);
  if (config === undefined || !('weights' in config)) return config;
  try {
    const found = readConfig(config, context) ?? knownAutoencoder(config.weights);
    return found && factsOf(found);
  } catch {
    return undefined;
  }
}

/**
 * Finds how latents of an `autoencoder` stage are scaled for training, as far as the file and what it names tell;
 * `statistics` where they are normalised by their own.
 */
export function latentScale(context: CheckContext, id: string): LatentScale | 'statistics' | undefined {
  const config = context.config('autoencoder', id);
  if (config === undefined) return undefined;
  if (!('weights' in config)) return 'statistics';
  const { scalingFactor, shiftFactor } = config;
  try {
    const found = readConfig(config, context) ?? knownAutoencoder(config.weights);
    const factor = scalingFactor ?? found?.scalingFactor;
    return factor === undefined
      ? undefined
      : { scalingFactor: factor, shiftFactor: shiftFactor ?? found?.shiftFactor };
  } catch {
    return undefined;
  }
}

/** Pixels are in [-1, 1], which is no scale to choose. */
const pixelsHaveNoScale: StageCheck<'autoencoder'> = ({ id, config }, context) => {
  if (!('weights' in config) || config.weights !== noAutoencoder) return;
  for (const key of ['scalingFactor', 'shiftFactor'] as const)
    if (config[key] !== undefined)
      context.report(id, {
        at: key,
        code: 'no-effect',
        message: `${code(key)} is of an autoencoder's latents, and ${code('weights: none')} takes pixels as they are, in [-1, 1].`,
        remedy: 'Remove it.',
      });
};

/** An autoencoder on this machine is one that can be used. */
const weightsAreSupported: StageCheck<'autoencoder'> = ({ id, config }, context) => {
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

/** Reads diffusers' config.json, where it is on this machine. */
function readConfig(
  { weights }: PretrainedAutoencoderConfig,
  context: CheckContext,
): DiffusersAutoencoder | undefined {
  if (weights === noAutoencoder) return undefined;
  const local = resolve(context.directory, weights);
  const place = existsSync(local) ? undefined : autoencoderPlace(weights);
  const paths = [
    configBeside(local),
    ...[diffusersConfigName, join(pipelinePart, diffusersConfigName)].map((name) => join(local, name)),
    place && cachedConfig(place, process.env),
  ];
  for (const path of paths) {
    const json = path === undefined ? undefined : readJson(path);
    if (json !== undefined) return readDiffusersConfig(json, path!);
  }
  return undefined;
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readWholeTextSync(path));
  } catch {
    return undefined;
  }
}

/** Rules of `autoencoder` between keys and stages. */
export const autoencoderChecks: readonly StageCheck<'autoencoder'>[] = [
  weightsAreSupported,
  pixelsHaveNoScale,
  widthsPerResolution,
  widthsInGroups,
  imagesHalve,
  imagesDivideBetweenWorkers,
];
