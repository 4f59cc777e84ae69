import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../base/errors.js';
import { asUserError } from '../base/files.js';
import { readInputText } from '../base/input-file.js';
import { openWeightsFile, type StateDict, type StoredTensor } from '../formats/weights-file.js';
import { type AutoencoderConfig, readDiffusersConfig } from '../models/autoencoder-kl/config.js';
import { currentName, diffusersShape, fromDiffusers } from '../models/autoencoder-kl/diffusers.js';
import { autoencoderParameters } from '../models/autoencoder-kl/parameters.js';
import { mismatch, stateProblems } from '../models/sit/reference-state.js';
import type { Parameter } from '../nn/parameter.js';
import { float32, type HostTensor } from '../tensorflow/data-types.js';
import { chooseSets, type ModelLayout, withoutWeights } from './find-sets.js';
import { autoencoderFileName, readSavedAutoencoder } from './saved-files.js';

/** An autoencoder in either of the formats that are read; its weights are read one tensor at a time. Close it after use. */
export interface AutoencoderSource {
  readonly path: string;
  readonly config: AutoencoderConfig;
  /** Absent where latents are normalised by their own statistics. */
  readonly scalingFactor?: number | undefined;
  /** A parameter in our layout. */
  read(parameter: Parameter): Promise<HostTensor>;
  close(): Promise<void>;
}

export const diffusersConfigName = 'config.json';
/** Names of the weights in order of preference: whole before shards, single before half precision. */
export const diffusersWeightsNames = [
  'diffusion_pytorch_model.safetensors',
  'diffusion_pytorch_model.safetensors.index.json',
  'diffusion_pytorch_model.bin',
  'diffusion_pytorch_model.bin.index.json',
  'diffusion_pytorch_model.fp16.safetensors',
  'diffusion_pytorch_model.fp16.bin',
] as const;

/** Folder of the autoencoder in that of a whole pipeline of diffusers. */
export const pipelinePart = 'vae';

/**
 * Opens a folder of diffusers, or what `autoencoder` and `pipeline import` leave.
 *
 * @throws UserError `autoencoder-missing`, `autoencoder-unsupported`, or `checkpoint-mismatch` naming every missing,
 * unexpected and wrongly shaped tensor
 */
export async function openAutoencoderSource(folder: string): Promise<AutoencoderSource> {
  if (existsSync(join(folder, autoencoderFileName))) return ours(folder);
  const part = join(folder, pipelinePart);
  if (!existsSync(join(folder, diffusersConfigName)) && existsSync(join(part, diffusersConfigName)))
    return openAutoencoderSource(part);
  const configPath = join(folder, diffusersConfigName);
  const weights = diffusersWeightsNames.map((name) => join(folder, name)).find(existsSync);
  if (!existsSync(configPath) || weights === undefined)
    throw new UserError({
      code: 'autoencoder-missing',
      message: `${folder}: expected ${diffusersConfigName} and ${diffusersWeightsNames[0]} (or .bin, shards with their index, or .fp16), here or in ${pipelinePart}/, or ${autoencoderFileName}.`,
      remedy: "Name the folder of an AutoencoderKL as diffusers' save_pretrained leaves it.",
    });
  const { config, scalingFactor } = readDiffusersConfig(await readJson(configPath), configPath);
  const convert = async (tensor: StoredTensor, parameter: Parameter) =>
    fromDiffusers(await tensor.read(), parameter);
  return { ...(await openTensors(weights, config, diffusersShape, convert)), scalingFactor };
}

async function ours(folder: string): Promise<AutoencoderSource> {
  const { config, weights, scalingFactor } = await readSavedAutoencoder(folder);
  const shapeOf = ({ shape }: Parameter) => shape;
  const convert = async (tensor: StoredTensor, { shape }: Parameter) => float32(shape, await tensor.read());
  return { ...(await openTensors(join(folder, weights), config, shapeOf, convert)), scalingFactor };
}

const layout: ModelLayout = {
  what: 'an AutoencoderKL',
  roots: /^(encoder|decoder|quant_conv|post_quant_conv)\./,
  anchors: ['encoder.conv_in.weight', 'decoder.conv_in.weight', 'quant_conv.weight'],
};

async function openTensors(
  path: string,
  config: AutoencoderConfig,
  shapeOf: (parameter: Parameter) => readonly number[],
  convert: (tensor: StoredTensor, parameter: Parameter) => Promise<HostTensor>,
): Promise<AutoencoderSource> {
  const file = await openWeightsFile(path);
  try {
    const sets = chooseSets(file, layout);
    if (sets === undefined) throw withoutWeights(file, layout.what);
    const state: StateDict = new Map([...sets.raw].map(([name, tensor]) => [currentName(name), tensor]));
    const expected = new Map(
      autoencoderParameters(config).map((parameter) => [parameter.name, shapeOf(parameter)]),
    );
    const found = new Map([...state].map(([name, { shape }]) => [name, shape]));
    const problems = stateProblems(found, expected);
    if (problems.length > 0) throw mismatch(path, problems);
    const read = (parameter: Parameter) => convert(state.get(parameter.name)!, parameter);
    return { path, config, read, close: () => file.close() };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function readJson(path: string): Promise<unknown> {
  try {
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
