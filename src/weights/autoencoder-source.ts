import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../base/errors.js';
import { asUserError } from '../base/files.js';
import { counted } from '../base/format.js';
import { readInputText } from '../base/input-file.js';
import { refuseFailedCopy, weightsName } from '../formats/foreign-file.js';
import { openWeightsFile, type StateDict, type StoredTensor } from '../formats/weights-file.js';
import { readDiffusersConfig, usualScales, usualScalingFactor } from '../models/autoencoder-kl/config.js';
import type { AutoencoderConfig, LatentScale, PartialScale } from '../models/autoencoder-kl/config.js';
import {
  currentName,
  currentShape,
  diffusersShape,
  fromDiffusers,
  inferAutoencoder,
} from '../models/autoencoder-kl/diffusers.js';
import { autoencoderParameters } from '../models/autoencoder-kl/parameters.js';
import { checkState } from '../models/sit/reference-state.js';
import type { Parameter } from '../nn/parameter.js';
import { float32, type HostTensor } from '../tensorflow/data-types.js';
import { configBeside, diffusersConfigName, diffusersWeightsNames, pipelinePart } from './diffusers-files.js';
import { chooseSets, type ModelLayout, withoutWeights } from './find-sets.js';
import { autoencoderFileName, readSavedAutoencoder } from './saved-files.js';

/**
 * An autoencoder in any of the formats that are read, without a scale where latents are normalised by their own statistics.
 * Its weights are read one tensor at a time. Close it after use.
 */
export interface AutoencoderSource extends PartialScale {
  readonly path: string;
  readonly config: AutoencoderConfig;
  /** Sentences that say what was taken for what. */
  readonly told: readonly string[];
  /** Sentences that say what of the scale was assumed, or is said twice and differs. */
  readonly doubts: readonly string[];
  /** A parameter in our layout. */
  read(parameter: Parameter): Promise<HostTensor>;
  close(): Promise<void>;
}

/**
 * Opens a folder of diffusers, what `autoencoder` and `pipeline import` leave, or a file of weights.
 *
 * @param scale what the user says of its latents
 * @throws UserError `autoencoder-missing`, `autoencoder-unsupported`, `scale-unknown`, or `checkpoint-mismatch` naming
 * every missing, unexpected and wrongly shaped tensor
 */
export async function openAutoencoderSource(
  path: string,
  scale: PartialScale = {},
): Promise<AutoencoderSource> {
  if (await isFile(path)) return ofFile(path, scale);
  if (existsSync(join(path, autoencoderFileName))) return ours(path, scale);
  const part = join(path, pipelinePart);
  if (!existsSync(join(path, diffusersConfigName)) && existsSync(join(part, diffusersConfigName)))
    return openAutoencoderSource(part, scale);
  const configPath = join(path, diffusersConfigName);
  const weights = diffusersWeightsNames.map((name) => join(path, name)).find(existsSync);
  if (existsSync(configPath) && weights !== undefined) return ofDiffusers(weights, configPath, scale);
  const files = (await readdir(path)).filter((name) => weightsName.test(name)).sort();
  throw new UserError({
    code: 'autoencoder-missing',
    message: `${path}: expected ${diffusersConfigName} and ${diffusersWeightsNames[0]} (or .bin, shards with their index, or .fp16), here or in ${pipelinePart}/, or ${autoencoderFileName}${files.length === 0 ? '' : `; found ${files.slice(0, 8).join(', ')}`}.`,
    remedy: `Name the folder of an AutoencoderKL as diffusers' save_pretrained leaves it, or a file of weights${files.length === 0 ? '' : `, such as ${join(path, files[0]!)}`}.`,
  });
}

const isFile = async (path: string): Promise<boolean> => {
  const found = await stat(path).catch((error: unknown) => {
    throw asUserError(error, path);
  });
  return !found.isDirectory();
};

/** Opens a file of weights: with the configuration beside it, or else by its tensors. */
async function ofFile(path: string, scale: PartialScale): Promise<AutoencoderSource> {
  const beside = configBeside(path);
  if (beside !== undefined && existsSync(beside)) return ofDiffusers(path, beside, scale);
  const source = await openTensors(path, fromStored);
  try {
    return { ...source, ...assumedScale(path, source.config, scale) };
  } catch (error) {
    await source.close();
    throw error;
  }
}

async function ofDiffusers(
  weights: string,
  configPath: string,
  said: PartialScale,
): Promise<AutoencoderSource> {
  const { config, ...own } = readDiffusersConfig(await readJson(configPath), configPath);
  const source = await openTensors(weights, fromStored, config);
  return { ...source, ...saidScale(configPath, own, said) };
}

async function ours(folder: string, said: PartialScale): Promise<AutoencoderSource> {
  const saved = await readSavedAutoencoder(folder);
  if (saved.config.channels.length === 0)
    throw new UserError({
      code: 'autoencoder-unsupported',
      message: `${folder}: it stands for no autoencoder (\`weights: none\`), and has no weights.`,
      remedy: 'Write `weights: none` where its pixels are meant. The model is exported by itself.',
    });
  const stored: Stored = {
    shapeOf: ({ shape }) => shape,
    convert: async (tensor, { shape }) => float32(shape, await tensor.read()),
  };
  const source = await openTensors(join(folder, saved.weights), stored, saved.config);
  const { scalingFactor, shiftFactor } = saved;
  if (scalingFactor === undefined) return { ...source, ...defined(said), doubts: [] };
  return { ...source, ...saidScale(folder, { scalingFactor, shiftFactor }, said) };
}

/** Takes what the user says of the scale rather than what stands beside the weights, and tells it. */
function saidScale(
  path: string,
  own: LatentScale,
  said: PartialScale,
): LatentScale & Pick<AutoencoderSource, 'doubts'> {
  const scale: LatentScale = { ...own, ...defined(said) };
  const differing = (['scalingFactor', 'shiftFactor'] as const).filter(
    (key) => (scale[key] ?? 0) !== (own[key] ?? 0),
  );
  const doubts = differing.map(
    (key) => `\`${key}: ${scale[key]!}\` is taken, ${path} says ${own[key] ?? 0}.`,
  );
  return { ...scale, doubts };
}

/** The scale of the latents of a file without a configuration: as the user says, or that of Stable Diffusion 1 and 2. */
function assumedScale(
  path: string,
  { latentChannels }: AutoencoderConfig,
  said: PartialScale,
): LatentScale & Pick<AutoencoderSource, 'doubts'> {
  const { scalingFactor } = said;
  if (scalingFactor !== undefined) return { ...defined(said), scalingFactor, doubts: [] };
  const list = Object.entries(usualScales).map(
    ([name, scale]) =>
      `${scale.scalingFactor}${'shiftFactor' in scale ? ` and \`shiftFactor: ${scale.shiftFactor}\`` : ''} for ${name}`,
  );
  if (latentChannels === 4)
    return {
      ...defined(said),
      ...usualScales['Stable Diffusion 1 and 2'],
      doubts: [
        `Nothing says what its latents are multiplied by: ${usualScalingFactor} is assumed, as for Stable Diffusion 1 and 2; \`scalingFactor\` says otherwise, such as ${usualScales.SDXL.scalingFactor} for SDXL.`,
      ],
    };
  throw new UserError({
    code: 'scale-unknown',
    message: `${path}: it does not say what its latents of ${latentChannels} channels are multiplied by.`,
    remedy: `Write \`scalingFactor\` beside \`weights\` (in a command \`--scaling-factor\`): ${list.join('; ')}.`,
  });
}

const defined = ({ scalingFactor, shiftFactor }: PartialScale): Partial<LatentScale> => ({
  ...(scalingFactor !== undefined && { scalingFactor }),
  ...(shiftFactor !== undefined && { shiftFactor }),
});

const layout: ModelLayout = {
  what: 'an AutoencoderKL',
  roots: /^(encoder|decoder|quant_conv|post_quant_conv)\./,
  anchors: ['encoder.conv_in.weight', 'decoder.conv_in.weight', 'quant_conv.weight'],
  // The networks that judge what training reconstructs, and counters.
  leftOut: /^(loss|discriminator|lpips|model_ema)\./,
  // It may be a part of a whole model, which has averages of others.
  averaged: /(encoder|decoder)/,
};

/** Tells whether a file holds an autoencoder, and no model of another kind. @throws UserError as `openWeightsFile` */
export async function holdsAutoencoder(path: string): Promise<boolean> {
  const file = await openWeightsFile(path);
  try {
    return file.groups.some(({ tensors }) =>
      [...tensors.keys()].some((name) => /(^|\.)decoder\.conv_in\.weight$/.test(name)),
    );
  } finally {
    await file.close();
  }
}

/** Form in which a file holds parameters. */
interface Stored {
  readonly shapeOf: (parameter: Parameter) => readonly number[];
  readonly convert: (tensor: StoredTensor, parameter: Parameter) => Promise<HostTensor>;
}

const fromStored: Stored = {
  shapeOf: diffusersShape,
  convert: async (tensor, parameter) => fromDiffusers(await tensor.read(), parameter),
};

/** Opens an autoencoder of known sizes, or of those that its tensors have. */
async function openTensors(
  path: string,
  { shapeOf, convert }: Stored,
  known?: AutoencoderConfig,
): Promise<Omit<AutoencoderSource, keyof LatentScale | 'doubts'>> {
  const file = await openWeightsFile(path);
  try {
    const sets = chooseSets(file, layout);
    if (sets === undefined) throw withoutWeights(file, layout.what);
    const resolutions = known?.channels.length ?? resolutionsIn(sets.ema);
    const state: StateDict = new Map(
      [...sets.ema].map(([name, tensor]) => [currentName(name, resolutions), tensor]),
    );
    const found = new Map([...state].map(([name, { shape }]) => [name, currentShape(name, shape)]));
    const config = known ?? inferAutoencoder(found);
    if (config === undefined) throw withoutWeights(file, layout.what);
    if (known === undefined) refuseOtherKinds(path, found, config);
    const expected = new Map(
      autoencoderParameters(config).map((parameter) => [parameter.name, shapeOf(parameter)]),
    );
    checkState(found, expected, path);
    const read = (parameter: Parameter) => convert(state.get(parameter.name)!, parameter);
    return { path, config, told: sets.told, read, close: () => file.close() };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Resolutions of an autoencoder by any of its three namings. */
const resolutionsIn = (state: StateDict): number =>
  new Set([...state.keys()].flatMap((name) => /^encoder\.down(?:_blocks)?\.(\d+)\./.exec(name)?.[1] ?? []))
    .size;

/** Autoencoders that are made of other parts, by the tensors that these have. @throws UserError `autoencoder-unsupported` */
function refuseOtherKinds(
  path: string,
  shapes: ReadonlyMap<string, readonly number[]>,
  { imageChannels, latentChannels, channels, normGroups }: AutoencoderConfig,
): void {
  const names = [...shapes.keys()];
  const outputs = shapes.get('encoder.conv_out.weight')?.[0];
  const problem = names.some((name) => name.startsWith('quantize.'))
    ? 'its latents are entries of a codebook (a VQGAN)'
    : names.some((name) => /^(encoder\.down|decoder\.up)\.\d+\.attn\./.test(name))
      ? 'it has attention beside the middle, as kl-f16 and kl-f32 of latent diffusion and VA-VAE have'
      : imageChannels !== 3
        ? `its images have ${counted(imageChannels, 'channel')}`
        : outputs !== undefined && outputs !== 2 * latentChannels
          ? `its encoder gives ${counted(outputs, 'number')} for ${counted(latentChannels, 'latent channel')}, twice as many are expected`
          : channels.some((width) => width % normGroups !== 0)
            ? `its widths ${channels.join(', ')} are no multiples of ${normGroups}, the groups of normalisation that are assumed without a config.json`
            : undefined;
  if (problem === undefined) return;
  throw new UserError({
    code: 'autoencoder-unsupported',
    message: `${path}: not an autoencoder that can be used: ${problem}.`,
    remedy:
      'Use an AutoencoderKL of the family of Stable Diffusion or FLUX, for images of red, green and blue, such as stabilityai/sd-vae-ft-ema.',
  });
}

async function readJson(path: string): Promise<unknown> {
  try {
    await refuseFailedCopy(path);
    return JSON.parse(await readInputText(path));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw asUserError(error, path);
    throw new UserError({
      code: 'autoencoder-unsupported',
      message: `${path}: it is not JSON (${error.message}).`,
      remedy: 'Download or copy it again.',
    });
  }
}
