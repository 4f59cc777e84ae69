import { existsSync, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { UserError } from '../base/errors.js';
import { asUserError } from '../base/files.js';
import { foreignFolder } from '../formats/foreign-file.js';
import { hubFile, pinnedCommit } from '../formats/hub/files.js';
import type { DownloadProgress } from '../formats/hub/hub.js';
import { hubPlace, isHubPath } from '../formats/hub/repository.js';
import { openWeightsFile, type WeightsFile } from '../formats/weights-file.js';
import { autoencoderPlace, downloadAutoencoder } from './autoencoder-download.js';
import { type AutoencoderSource, holdsAutoencoder, openAutoencoderSource } from './autoencoder-source.js';
import { configBeside, diffusersConfigName, pipelinePart } from './diffusers-files.js';
import { type ModelHints, type ModelSource, savedSource } from './model-source.js';
import { referenceSource } from './reference-source.js';
import { autoencoderFileName, folderOfWeights, modelFileName } from './saved-files.js';

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
  const path = resolve(name);
  const place = existsSync(path) ? undefined : autoencoderPlace(name);
  if (place?.file !== undefined)
    return openEither(await downloadedFile(name, { env, signal, onDownload }), hints);
  if (place !== undefined) {
    const commit = await pinnedCommit(place.repository, { env, signal });
    const folder = await downloadAutoencoder(place, commit, { env, signal, onProgress: onDownload });
    return { kind: 'autoencoder', source: await openAutoencoderSource(folder, hints) };
  }
  if (existsSync(path)) return openEither(path, hints);
  throw new UserError({
    code: 'file-missing',
    usage: true,
    message: `${path}: there is no such file or folder.`,
    remedy:
      'Check the path; on Hugging Face an autoencoder is written OWNER/NAME, a file of weights hf://OWNER/NAME/FILE.',
  });
}

/** Opens what is on this machine. What fits neither is told of as a model. */
async function openEither(path: string, hints: ModelHints): Promise<WeightsSource> {
  const isAutoencoder = statSync(path).isDirectory()
    ? [autoencoderFileName, diffusersConfigName, join(pipelinePart, diffusersConfigName)].some((file) =>
        existsSync(join(path, file)),
      )
    : configBeside(path) !== undefined || (await holdsAutoencoder(path));
  return isAutoencoder
    ? { kind: 'autoencoder', source: await openAutoencoderSource(path, hints) }
    : { kind: 'model', source: await openModel(path, hints) };
}

/** Opens a model at a path or on Hugging Face (`hf://OWNER/NAME/FILE`). @throws UserError as `openModel` */
export async function openNamedModel(
  name: string,
  hints: ModelHints,
  options: OpenWeightsOptions,
): Promise<ModelSource> {
  return openModel(isHubPath(name) ? await downloadedFile(name, options) : resolve(name), hints);
}

async function downloadedFile(
  name: string,
  { env, signal, onDownload }: OpenWeightsOptions,
): Promise<string> {
  const place = hubPlace(name);
  const commit = await pinnedCommit(place.repository, { env, signal }, place.file);
  return hubFile(place, commit, { env, signal, onProgress: onDownload });
}
