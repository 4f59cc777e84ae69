import { stat } from 'node:fs/promises';
import { type WeightsFile, openWeightsFile } from '../../data/weights-file/index.js';
import { UserError } from '../../errors.js';
import { asUserError } from '../../files/file-errors.js';
import type { ModelHints, ModelSource } from './model-source.js';
import { referenceSource } from './reference-source.js';
import { folderOfWeights, savedSource } from './saved-source.js';

/**
 * Opens a model: a checkpoint or state dict of the PyTorch reference (`.pt` or safetensors), or what this project
 * leaves: a folder with `model.json`, or a file of weights in one.
 *
 * @throws UserError with everything that is wrong with it
 */
export async function openModel(path: string, hints: ModelHints): Promise<ModelSource> {
  const found = await stat(path).catch((error: unknown) => {
    throw asUserError(error, path);
  });
  if (found.isDirectory()) return savedSource(path, hints);
  const file = await openWeightsFile(path);
  try {
    if (!hasOwnNames(file)) return await referenceSource(file, hints);
  } catch (error) {
    await file.close();
    throw error;
  }
  await file.close();
  const folder = folderOfWeights(path);
  if (folder !== undefined) return savedSource(folder, hints, path);
  throw new UserError({
    code: 'model-undescribed',
    message: `${path}: its tensors have the names of this project, and no model.json beside it says of which model.`,
    remedy: 'Name the folder that holds its model.json, or a file in it.',
  });
}

function hasOwnNames({ parts }: WeightsFile): boolean {
  return (parts.model ?? parts.ema)!.has('patchEmbedding.weight');
}
