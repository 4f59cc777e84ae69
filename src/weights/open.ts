import { existsSync, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { UserError } from '../base/errors.js';
import { asUserError } from '../base/files.js';
import { foreignFolder } from '../formats/foreign-file.js';
import { hubFile, pinnedCommit } from '../formats/hub/files.js';
import type { DownloadProgress } from '../formats/hub/hub.js';
import { hubPlace, isHubPath, parseRepository } from '../formats/hub/repository.js';
import { openWeightsFile, type WeightsFile } from '../formats/weights-file.js';
import { downloadAutoencoder } from './autoencoder-download.js';
import { type AutoencoderSource, diffusersConfigName, openAutoencoderSource } from './autoencoder-source.js';
import type { ModelHints, ModelSource } from './model-source.js';
import { referenceSource } from './reference-source.js';
import { autoencoderFileName, modelFileName } from './saved-files.js';
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
  if (found.isDirectory()) {
    if (!existsSync(join(path, modelFileName))) throw await foreignFolder(path);
    return savedSource(path, hints);
  }
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

function hasOwnNames({ groups }: WeightsFile): boolean {
  return groups.some(({ tensors }) => tensors.has('patchEmbedding.weight'));
}

/** Weights of either kind. */
export type WeightsSource =
  | { readonly kind: 'model'; readonly source: ModelSource }
  | { readonly kind: 'autoencoder'; readonly source: AutoencoderSource };

interface OpenWeightsOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal | undefined;
  readonly onDownload?: DownloadProgress | undefined;
}

/**
 * Opens a model or an autoencoder, whichever it is: a file, a folder, or a repository on Hugging Face.
 *
 * @throws UserError as `openModel` and `openAutoencoderSource`
 */
export async function openWeights(
  name: string,
  hints: ModelHints,
  { env, signal, onDownload }: OpenWeightsOptions,
): Promise<WeightsSource> {
  if (isHubPath(name))
    return { kind: 'model', source: await openNamedModel(name, hints, { env, signal, onDownload }) };
  const path = resolve(name);
  const repository = existsSync(path) ? undefined : parseRepository(name);
  if (repository !== undefined) {
    const commit = await pinnedCommit(repository, { env, signal });
    const folder = await downloadAutoencoder(repository, commit, { env, signal, onProgress: onDownload });
    return { kind: 'autoencoder', source: await openAutoencoderSource(folder) };
  }
  if (!existsSync(path))
    throw new UserError({
      code: 'file-missing',
      usage: true,
      message: `${path}: there is no such file or folder.`,
      remedy:
        'Check the path; an autoencoder on Hugging Face is written OWNER/NAME, a model hf://OWNER/NAME/FILE.',
    });
  const isAutoencoder =
    statSync(path).isDirectory() &&
    [autoencoderFileName, diffusersConfigName].some((file) => existsSync(join(path, file)));
  return isAutoencoder
    ? { kind: 'autoencoder', source: await openAutoencoderSource(path) }
    : { kind: 'model', source: await openModel(path, hints) };
}

/** Opens a model at a path or on Hugging Face (`hf://OWNER/NAME/FILE`). @throws UserError as `openModel` */
export async function openNamedModel(
  name: string,
  hints: ModelHints,
  { env, signal, onDownload }: OpenWeightsOptions,
): Promise<ModelSource> {
  if (!isHubPath(name)) return openModel(resolve(name), hints);
  const place = hubPlace(name);
  const commit = await pinnedCommit(place.repository, { env, signal }, place.file);
  return openModel(await hubFile(place, commit, { env, signal, onProgress: onDownload }), hints);
}
