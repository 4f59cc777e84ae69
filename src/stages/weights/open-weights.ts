import { existsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { UserError } from '../../errors.js';
import { parseRepository, pinnedCommit, repositoryFiles } from '../../huggingface/index.js';
import { autoencoderFileName } from '../autoencoder/saved-file.js';
import {
  type AutoencoderSource,
  diffusersConfigName,
  diffusersWeightsNames,
  openAutoencoderSource,
} from './autoencoder-source.js';
import type { ModelHints, ModelSource } from './model-source.js';
import { openModel } from './open-model.js';

/** Weights of either kind. */
export type WeightsSource =
  | { readonly kind: 'model'; readonly source: ModelSource }
  | { readonly kind: 'autoencoder'; readonly source: AutoencoderSource };

export interface OpenWeightsOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
  /** Told bytes of a download. */
  readonly onDownload: (file: string, done: number, total: number) => void;
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
  const repository = existsSync(path) ? undefined : parseRepository(name);
  if (repository !== undefined) {
    const commit = await pinnedCommit(repository, { env, signal });
    const wanted = [[diffusersConfigName], diffusersWeightsNames];
    const folder = await repositoryFiles(repository, commit, wanted, { env, signal, onProgress: onDownload });
    return { kind: 'autoencoder', source: await openAutoencoderSource(folder) };
  }
  if (!existsSync(path))
    throw new UserError({
      code: 'file-missing',
      usage: true,
      message: `${path}: there is no such file or folder.`,
      remedy: 'Check the path; a repository on Hugging Face is written OWNER/NAME.',
    });
  const isAutoencoder =
    statSync(path).isDirectory() &&
    [autoencoderFileName, diffusersConfigName].some((file) => existsSync(join(path, file)));
  return isAutoencoder
    ? { kind: 'autoencoder', source: await openAutoencoderSource(path) }
    : { kind: 'model', source: await openModel(path, hints) };
}
