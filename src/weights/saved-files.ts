import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { asUserError } from '../base/files.js';
import { readInputText } from '../base/input-file.js';
import { writeFileWhole } from '../base/output-file.js';
import { isSafetensorsPath, shardsOf } from '../formats/safetensors/shard-index.js';
import type { AutoencoderConfig } from '../models/autoencoder-kl/config.js';
import type { SiTConfig } from '../models/sit/config.js';
import type { Normalization } from '../training/diffusion-loss.js';
import type { InterpolantName, Prediction } from '../transport/index.js';

/** Output of a training: `model.json`, which describes the model and names its weights' files. */
export interface SavedModel {
  readonly format: 'sit-1';
  readonly config: SiTConfig;
  readonly interpolant: InterpolantName;
  readonly prediction: Prediction;
  /** Normalization of latents in training: samples are mapped back. */
  readonly normalization: Normalization;
  /** Names of the classes, by label. */
  readonly classes: readonly string[];
  readonly steps: number;
  /** True of a model that draws guided samples by itself: guidance was folded into its training. */
  readonly guided?: boolean;
  /**
   * Paths, relative to the file, of the last weights (`raw`), of their moving average (`ema`), of each average by its
   * decay (`ema-0.999`) or relative width (`power-0.05`), and of the average that did best during training, where that was
   * kept.
   */
  readonly weights: Readonly<Record<'raw' | 'ema' | `ema-${number}` | `power-${number}`, string>> & {
    readonly best?: string;
  };
  /** Averages by a power in the course of the training, from which others are rebuilt; the last are of its end. */
  readonly snapshots?: readonly SavedSnapshot[];
}

/** Averages by a power after so many updates: their paths by their names, relative to `model.json`. */
export interface SavedSnapshot {
  readonly updates: number;
  readonly weights: Readonly<Record<`power-${number}`, string>>;
}

export const modelFileName = 'model.json';

/** True of a folder in which this project has left a model or an autoencoder. */
export const holdsWeights = (directory: string): boolean =>
  [modelFileName, autoencoderFileName].some((name) => existsSync(join(directory, name)));

/** The folder whose model a file of weights is of: its own, or that of the training whose checkpoint it is in. */
export function folderOfWeights(path: string): string | undefined {
  const above = [dirname(path), dirname(dirname(path)), dirname(dirname(dirname(path)))];
  return above.find((folder) => existsSync(join(folder, modelFileName)));
}

/** Paths of all that is read of a model at a path: what describes a file of weights, and what an index names, too. */
export function pathsOfModel(path: string): readonly string[] {
  if (!existsSync(path) || statSync(path).isDirectory()) return [path];
  const folder = isSafetensorsPath(path) ? folderOfWeights(path) : undefined;
  return [path, ...shardsOf(path), ...(folder === undefined ? [] : [join(folder, modelFileName)])];
}

export async function writeSavedModel(directory: string, model: SavedModel): Promise<void> {
  await writeFileWhole(join(directory, modelFileName), JSON.stringify(model, undefined, 1) + '\n');
}

export async function readSavedModel(directory: string): Promise<SavedModel> {
  return JSON.parse(await readInputText(join(directory, modelFileName))) as SavedModel;
}

/** Saved autoencoder: `autoencoder.json`, with its weights in a file beside it. */
interface SavedAutoencoder {
  readonly format: 'autoencoder-1';
  readonly config: AutoencoderConfig;
  /** Path of the weights, relative to the file. */
  readonly weights: string;
  /** Factor on its latents for training; absent where they are normalised by their own statistics. */
  readonly scalingFactor?: number | undefined;
  /** Number that is subtracted from them before; 0 where it is absent. */
  readonly shiftFactor?: number | undefined;
}

export const autoencoderFileName = 'autoencoder.json';

export async function writeSavedAutoencoder(
  directory: string,
  saved: Omit<SavedAutoencoder, 'format'>,
): Promise<void> {
  const content: SavedAutoencoder = { format: 'autoencoder-1', ...saved };
  await writeFileWhole(join(directory, autoencoderFileName), JSON.stringify(content, undefined, 1) + '\n');
}

export async function readSavedAutoencoder(directory: string): Promise<SavedAutoencoder> {
  const path = join(directory, autoencoderFileName);
  const text = await readInputText(path).catch((error: unknown) => {
    throw asUserError(error, path);
  });
  return JSON.parse(text) as SavedAutoencoder;
}
