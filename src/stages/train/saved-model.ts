import { join } from 'node:path';
import { readInputText } from '../../files/input-file.js';
import { writeFileWhole } from '../../files/output-file.js';
import type { SiTConfig } from '../../models/sit/config.js';
import type { Normalization } from '../../training/diffusion-loss.js';
import type { InterpolantName, Prediction } from '../../transport/index.js';

/** What training leaves: `model.json`, which describes the model and names its weights' files. */
export interface SavedModel {
  readonly format: 'sit-1';
  readonly config: SiTConfig;
  readonly interpolant: InterpolantName;
  readonly prediction: Prediction;
  /** How latents were normalised for training: samples are mapped back. */
  readonly normalization: Normalization;
  /** Names of the classes, by label. */
  readonly classes: readonly string[];
  readonly steps: number;
  /**
   * Paths, relative to the file, of the last weights (`raw`), of their moving average (`ema`), and of each average by
   * its decay (`ema-0.999`).
   */
  readonly weights: Readonly<Record<'raw' | 'ema' | `ema-${number}`, string>>;
}

export const modelFileName = 'model.json';

export async function writeSavedModel(directory: string, model: SavedModel): Promise<void> {
  await writeFileWhole(join(directory, modelFileName), JSON.stringify(model, undefined, 1) + '\n');
}

export async function readSavedModel(directory: string): Promise<SavedModel> {
  return JSON.parse(await readInputText(join(directory, modelFileName))) as SavedModel;
}
