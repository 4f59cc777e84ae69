import { existsSync } from 'node:fs';
import { join, posix } from 'node:path';
import { weightsName } from '../formats/foreign-file.js';
import { cachedFile, hubFile, repositoryFiles } from '../formats/hub/files.js';
import type { DownloadProgress, HubOptions } from '../formats/hub/hub.js';
import { hubPlace, isHubPath, parseRepository, type Repository } from '../formats/hub/repository.js';
import { configBeside, diffusersConfigName, diffusersWeightsNames, pipelinePart } from './diffusers-files.js';

/** An autoencoder on Hugging Face: a repository, a folder of one, or a file of weights in one. */
export interface AutoencoderPlace {
  readonly repository: Repository;
  readonly folder?: string;
  readonly file?: string;
}

const wholeAddress = /^hf:\/\/[^/]+\/[^/@]+(@(refs\/(pr|convert)\/)?[^/]+)?$/;

/**
 * Reads `OWNER/NAME`, `hf://OWNER/NAME` or `hf://OWNER/NAME/FOLDER-OR-FILE`, each optionally with `@REVISION`; nothing for
 * other text, such as a path.
 *
 * @throws UserError `hub-path-malformed`
 */
export function autoencoderPlace(weights: string): AutoencoderPlace | undefined {
  const repository = parseRepository(weights);
  // What follows a revision is no part of it in an address: hf://OWNER/NAME@REVISION/FILE.
  if (!isHubPath(weights) || wholeAddress.test(weights)) return repository && { repository };
  const place = hubPlace(weights);
  return weightsName.test(place.file) ? place : { repository: place.repository, folder: place.file };
}

/**
 * Brings an autoencoder of a commit into the cache of Hugging Face: a repository's own, or the part of a whole pipeline.
 *
 * @returns its folder or file
 * @throws UserError as `repositoryFiles`
 */
export async function downloadAutoencoder(
  { repository, folder = '', file }: AutoencoderPlace,
  commit: string,
  options: HubOptions & { readonly onProgress?: DownloadProgress | undefined },
): Promise<string> {
  if (file !== undefined) {
    const config = configBeside(file);
    if (config !== undefined) await repositoryFiles(repository, commit, [[config]], options);
    return hubFile({ repository, file }, commit, options);
  }
  const snapshot = await repositoryFiles(repository, commit, [configNames(folder)], options);
  const config = configNames(folder).find((name) => existsSync(join(snapshot, name)))!;
  const own = posix.dirname(config);
  const names = diffusersWeightsNames.map((name) => posix.join(own, name));
  await repositoryFiles(repository, commit, [names], options);
  await hubFile(
    { repository, file: names.find((name) => existsSync(join(snapshot, name)))! },
    commit,
    options,
  );
  return join(snapshot, own);
}

/** The configuration of such an autoencoder if it is in the cache; nothing is asked or downloaded. */
export function cachedConfig(
  { repository, folder = '', file }: AutoencoderPlace,
  env: NodeJS.ProcessEnv,
): string | undefined {
  const names = file === undefined ? configNames(folder) : [configBeside(file)].flatMap((name) => name ?? []);
  return names.map((name) => cachedFile(repository, name, env)).find((path) => path !== undefined);
}

const configNames = (folder: string): string[] =>
  ['', pipelinePart].map((part) => posix.join(folder, part, diffusersConfigName));
