import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { hubFile, repositoryFiles } from '../formats/hub/files.js';
import type { DownloadProgress, HubOptions } from '../formats/hub/hub.js';
import type { Repository } from '../formats/hub/repository.js';
import { diffusersConfigName, diffusersWeightsNames, pipelinePart } from './autoencoder-source.js';

/**
 * Brings an autoencoder of a commit into the cache of Hugging Face: a repository's own, or the part of a whole pipeline.
 *
 * @returns its folder
 * @throws UserError as `repositoryFiles`
 */
export async function downloadAutoencoder(
  repository: Repository,
  commit: string,
  options: HubOptions & { readonly onProgress?: DownloadProgress | undefined },
): Promise<string> {
  const inPart = (name: string) => `${pipelinePart}/${name}`;
  const configs = [diffusersConfigName, inPart(diffusersConfigName)];
  const folder = await repositoryFiles(repository, commit, [configs], options);
  const isPart = !existsSync(join(folder, diffusersConfigName));
  const names = diffusersWeightsNames.map((name) => (isPart ? inPart(name) : name));
  await repositoryFiles(repository, commit, [names], options);
  const file = names.find((name) => existsSync(join(folder, name)))!;
  await hubFile({ repository, file }, commit, options);
  return isPart ? join(folder, pipelinePart) : folder;
}
