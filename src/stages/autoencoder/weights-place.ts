import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { PretrainedAutoencoderConfig } from '../../config/generated/index.js';
import { type Repository, parseRepository, pinnedCommit } from '../../huggingface/index.js';

type Config = PretrainedAutoencoderConfig;

/** A folder that is there wins over a repository of the same name, as in Hugging Face's own libraries. */
function repositoryOf({ weights }: Config, folder: string): Repository | undefined {
  return existsSync(resolve(folder, weights)) ? undefined : parseRepository(weights);
}

/** The folder of the weights, unless they are a repository. */
export function localWeights(config: Config, folder: string): readonly string[] {
  return repositoryOf(config, folder) === undefined ? [resolve(folder, config.weights)] : [];
}

/** The commit of a repository's revision. */
export async function pinWeights(
  config: Config,
  folder: string,
  signal?: AbortSignal,
): Promise<Readonly<Record<string, string>>> {
  const repository = repositoryOf(config, folder);
  return repository === undefined
    ? {}
    : { weights: await pinnedCommit(repository, { env: process.env, signal }) };
}
