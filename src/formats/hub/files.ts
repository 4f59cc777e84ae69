import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { basename, join, posix } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { openFile, readWhole } from '../../base/files.js';
import { distance } from 'fastest-levenshtein';
import { UserError } from '../../base/errors.js';
import { requireSpace } from '../../base/output-file.js';
import { weightsName } from '../foreign-file.js';
import { isIndexPath } from '../safetensors/shard-index.js';
import type { DownloadProgress, Hub, HubOptions } from './hub.js';
import { addressOf, CachedRepository, hubEnvironment } from './repository.js';
import type { HubEnvironment, HubFile, HubPlace, Repository } from './repository.js';

/**
 * The commit that a revision stands for: from the cache where it is known there, without asking anyone.
 *
 * @param file that it is to have, which is checked where someone is asked
 * @returns the full hash
 * @throws UserError `hub-offline`, `hub-refused`, `hub-unreachable` or `hub-file-missing`
 */
export async function pinnedCommit(
  repository: Repository,
  options: HubOptions,
  file?: string,
): Promise<string> {
  const environment = hubEnvironment(options.env);
  const cached = new CachedRepository(environment.cache, repository);
  if (cached.commit !== undefined) return cached.commit;
  if (environment.offline) throw offline(repository, environment.cache);
  return withHub(environment, options, async (hub) => {
    const { commit, files } = await hub.look(repository);
    if (file !== undefined) choose(repository, [file], files);
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
  options: HubOptions & { readonly onProgress?: DownloadProgress | undefined },
): Promise<string> {
  const environment = hubEnvironment(options.env);
  const cached = new CachedRepository(environment.cache, repository);
  const missing = wanted.filter((names) => !names.some((name) => cached.has(commit, name)));
  const there = wanted.flatMap((names) => names.find((name) => cached.has(commit, name)) ?? []);
  for (const name of there) await checkSmallFile(join(cached.snapshot(commit), name));
  if (missing.length === 0) return cached.snapshot(commit);
  if (environment.offline) throw offline(repository, environment.cache);
  await withHub(environment, options, async (hub) => {
    const { files } = await hub.look({ ...repository, revision: commit });
    const chosen = missing.map((names) => choose(repository, names, files));
    await download(hub, cached, repository, commit, chosen, options);
  });
  return cached.snapshot(commit);
}

/**
 * All files of a commit: from the cache where they have been listed before, without asking anyone.
 *
 * @throws UserError `hub-offline`, `hub-refused` or `hub-unreachable`
 */
export async function listedFiles(
  repository: Repository,
  commit: string,
  options: HubOptions,
): Promise<readonly HubFile[]> {
  const environment = hubEnvironment(options.env);
  const cached = new CachedRepository(environment.cache, repository);
  const known = await cached.listing(commit);
  if (known !== undefined) return known;
  if (environment.offline) throw offline(repository, environment.cache);
  return withHub(environment, options, async (hub) => {
    const { files } = await hub.look({ ...repository, revision: commit });
    await cached.rememberListing(commit, files);
    return files;
  });
}

/** Those of the files of a commit that are not in the cache. */
export function missingFiles(
  repository: Repository,
  commit: string,
  files: readonly HubFile[],
  env: NodeJS.ProcessEnv,
): readonly HubFile[] {
  const cached = new CachedRepository(hubEnvironment(env).cache, repository);
  return files.filter(({ name }) => !cached.has(commit, name));
}

/**
 * The folder with the listed files of a commit in the cache of Hugging Face; what is not there yet is downloaded.
 *
 * @throws UserError `hub-offline`, `hub-refused`, `hub-unreachable`, `disk-full` or `hub-file-damaged`
 */
export async function fetchFiles(
  repository: Repository,
  commit: string,
  files: readonly HubFile[],
  options: HubOptions & { readonly onProgress?: DownloadProgress | undefined },
): Promise<string> {
  const environment = hubEnvironment(options.env);
  const cached = new CachedRepository(environment.cache, repository);
  const missing = missingFiles(repository, commit, files, options.env);
  const there = files.filter((file) => !missing.includes(file));
  for (const { name } of there) await checkSmallFile(join(cached.snapshot(commit), name));
  if (missing.length === 0) return cached.snapshot(commit);
  if (environment.offline) throw offline(repository, environment.cache);
  await withHub(environment, options, (hub) => download(hub, cached, repository, commit, missing, options));
  return cached.snapshot(commit);
}

/** Downloads files one after the other, where there is room for all; progress is that of all of them. */
async function download(
  hub: Hub,
  cached: CachedRepository,
  repository: Repository,
  commit: string,
  files: readonly HubFile[],
  { onProgress }: { readonly onProgress?: DownloadProgress | undefined },
): Promise<void> {
  const { downloadFile } = await import('./hub.js');
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  await requireSpace(
    await cached.ready(),
    total - (await cached.begun(files)),
    'Free some space, or set HF_HOME to another disk; what has been downloaded is kept.',
  );
  let before = 0;
  for (const file of files) {
    await downloadFile(hub, cached, repository, commit, file, (name, done) => {
      onProgress?.(name, before + done, total);
    });
    before += file.bytes;
  }
}

/**
 * Brings a file of weights of a commit into the cache; of the index of several, all of them.
 *
 * @returns its path
 * @throws UserError as `repositoryFiles`
 */
export async function hubFile(
  { repository, file }: HubPlace,
  commit: string,
  options: HubOptions & { readonly onProgress?: DownloadProgress | undefined },
): Promise<string> {
  const path = join(await repositoryFiles(repository, commit, [[file]], options), file);
  const shards = await shardsOf(path, file);
  await repositoryFiles(
    repository,
    commit,
    shards.map((shard) => [shard]),
    options,
  );
  return path;
}

/**
 * SHA-256 of a file in the cache, which is compared with the name that it is kept under.
 *
 * @throws UserError `hub-file-damaged`
 */
export async function cachedDigest(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  const stream = (await openFile(path)).createReadStream({ highWaterMark: 1 << 20 });
  await pipeline(stream, hash, signal === undefined ? {} : { signal });
  const digest = hash.digest('hex');
  const blob = await realpath(path);
  const expected = basename(blob);
  if (!/^[0-9a-f]{64}$/.test(expected) || expected === digest) return digest;
  throw damagedFile(blob, `SHA-256 is ${digest}`);
}

/**
 * Compares a small file in the cache with the name that it is kept under: its hash in git. Large ones are compared where
 * they are read whole anyway.
 *
 * @throws UserError `hub-file-damaged`
 */
async function checkSmallFile(path: string): Promise<void> {
  const blob = await realpath(path);
  const expected = basename(blob);
  if (!/^[0-9a-f]{40}$/.test(expected)) return;
  const content = await readWhole(blob);
  const digest = createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
  if (digest !== expected) throw damagedFile(blob, `hash in git is ${digest}`);
}

/** The error of a file in the cache that is not what its name says. */
export const damagedFile = (blob: string, found: string): UserError =>
  new UserError({
    code: 'hub-file-damaged',
    message: `${blob}: its ${found}, and should be its name.`,
    remedy: 'Delete it and run again: it is downloaded once more.',
  });

/** The path of a file of weights in the cache, with all that belongs to it; nothing is asked or downloaded. */
export async function cachedHubFile(
  { repository, file }: HubPlace,
  env: NodeJS.ProcessEnv,
): Promise<string | undefined> {
  const path = cachedFile(repository, file, env);
  if (path === undefined) return undefined;
  const isWhole = (await shardsOf(path, file)).every(
    (shard) => cachedFile(repository, shard, env) !== undefined,
  );
  return isWhole ? path : undefined;
}

/** Names of the files of an index in its repository; none for any other file. */
async function shardsOf(path: string, file: string): Promise<string[]> {
  if (!isIndexPath(file)) return [];
  // Few repositories have one; what reads it is loaded then.
  const { readIndex } = await import('../safetensors/shards.js');
  return [...new Set(Object.values(await readIndex(path)))].map((name) =>
    posix.join(posix.dirname(file), name),
  );
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

function choose(repository: Repository, names: readonly string[], files: readonly HubFile[]): HubFile {
  const id = addressOf(repository);
  for (const name of names) {
    const file = files.find((candidate) => candidate.name === name);
    if (file !== undefined) return file;
  }
  const there = files.map(({ name }) => name).filter((name) => weightsName.test(name));
  const near = nearestNames(names[0]!, there).slice(0, 6);
  const more = there.length - near.length;
  throw new UserError({
    code: 'hub-file-missing',
    message: `${id} has no ${names.join(' or ')}; its weights are ${near.length === 0 ? 'none' : near.join(', ')}${more > 0 ? ` and ${more} more` : ''}.`,
    remedy: `An autoencoder of diffusers is named by its repository, such as stabilityai/sd-vae-ft-ema; a file of weights as hf://${id}/${near[0] ?? 'FILE'}.`,
  });
}

/** Names sorted by how near they are to one, wherever they are. */
function nearestNames(name: string, names: readonly string[]): string[] {
  const away = (other: string) =>
    distance(posix.basename(other).toLowerCase(), posix.basename(name).toLowerCase());
  return [...names].sort((a, b) => away(a) - away(b));
}

function offline(repository: Repository, cache: string): UserError {
  return new UserError({
    code: 'hub-offline',
    message: `${addressOf(repository)}@${repository.revision} is not in ${cache}, and nothing may be downloaded (HF_HUB_OFFLINE).`,
    remedy:
      'Unset HF_HUB_OFFLINE once to download it, or copy it into that cache (HF_HOME says where it is).',
  });
}
