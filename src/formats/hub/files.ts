import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../../base/errors.js';
import type { DownloadProgress, Hub, HubFile, HubOptions } from './hub.js';
import { CachedRepository, type HubEnvironment, hubEnvironment, type Repository } from './repository.js';

/**
 * The commit that a revision stands for: from the cache where it is known there, without asking anyone.
 *
 * @returns the full hash
 * @throws UserError `hub-offline`, `hub-refused` or `hub-unreachable`
 */
export async function pinnedCommit(repository: Repository, options: HubOptions): Promise<string> {
  const environment = hubEnvironment(options.env);
  const cached = new CachedRepository(environment.cache, repository);
  if (cached.commit !== undefined) return cached.commit;
  if (environment.offline) throw offline(repository, environment.cache);
  return withHub(environment, options, async (hub) => {
    const { commit } = await hub.look(repository);
    await cached.remember(commit);
    return commit;
  });
}

/**
 * The folder with the wanted files of a commit in the cache of Hugging Face; what is not there yet is downloaded.
 *
 * @param wanted for each file its names in order of preference: the first that the repository has is taken
 * @throws UserError `hub-offline`, `hub-refused`, `hub-unreachable` or `hub-file-missing`
 */
export async function repositoryFiles(
  repository: Repository,
  commit: string,
  wanted: readonly (readonly string[])[],
  options: HubOptions & { readonly onProgress?: DownloadProgress },
): Promise<string> {
  const environment = hubEnvironment(options.env);
  const cached = new CachedRepository(environment.cache, repository);
  const missing = wanted.filter((names) => !names.some((name) => cached.has(commit, name)));
  if (missing.length === 0) return cached.snapshot(commit);
  if (environment.offline) throw offline(repository, environment.cache);
  await withHub(environment, options, async (hub) => {
    const { files } = await hub.look({ ...repository, revision: commit });
    const chosen = missing.map((names) => choose(repository, names, files));
    const { downloadFile } = await import('./hub.js');
    for (const file of chosen)
      await downloadFile(hub, cached, repository, commit, file, options.onProgress ?? (() => undefined));
  });
  return cached.snapshot(commit);
}

/** The path of a file of a repository if it is in the cache; nothing is asked or downloaded. */
export function cachedFile(repository: Repository, file: string, env: NodeJS.ProcessEnv): string | undefined {
  const cached = new CachedRepository(hubEnvironment(env).cache, repository);
  const { commit } = cached;
  const path = commit === undefined ? undefined : join(cached.snapshot(commit), file);
  return path !== undefined && existsSync(path) ? path : undefined;
}

/** Asks the Hub; what speaks HTTP is loaded only now, as whoever checks a file asks nothing. */
async function withHub<T>(
  environment: HubEnvironment,
  options: HubOptions,
  work: (hub: Hub) => Promise<T>,
): Promise<T> {
  const { Hub } = await import('./hub.js');
  const hub = new Hub(environment, options);
  try {
    return await work(hub);
  } finally {
    await hub.close();
  }
}

function choose({ id }: Repository, names: readonly string[], files: readonly HubFile[]): HubFile {
  for (const name of names) {
    const file = files.find((candidate) => candidate.name === name);
    if (file !== undefined) return file;
  }
  throw new UserError({
    code: 'hub-file-missing',
    message: `${id} has no ${names.join(' or ')}.`,
    remedy: 'Name the repository of an autoencoder of diffusers, such as stabilityai/sd-vae-ft-ema.',
  });
}

function offline({ id, revision }: Repository, cache: string): UserError {
  return new UserError({
    code: 'hub-offline',
    message: `${id}@${revision} is not in ${cache}, and nothing may be downloaded (HF_HUB_OFFLINE).`,
    remedy:
      'Unset HF_HUB_OFFLINE once to download it, or copy it into that cache (HF_HOME says where it is).',
  });
}
