import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm, symlink } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { isAbsent } from '../../base/existence.js';
import { UserError } from '../../base/errors.js';
import { readWholeTextSync, writePlain } from '../../base/files.js';
import { sizeOf } from '../../base/output-file.js';
import { DamagedRecord, readRecord, sealJson, tellDamaged, unsealJson } from '../../base/sealed.js';

/** Settings of Hugging Face from the environment, by the variables of its own libraries. */
export interface HubEnvironment {
  /** Folder with `models--ORGANISATION--NAME` for each repository. */
  readonly cache: string;
  readonly endpoint: string;
  readonly offline: boolean;
  /** Secret: it goes into requests to the endpoint, and nowhere else. */
  readonly token: string | undefined;
}

/** Source: https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables */
export function hubEnvironment(env: NodeJS.ProcessEnv): HubEnvironment {
  const home = expand(given(env.HF_HOME) ?? join(given(env.XDG_CACHE_HOME) ?? '~/.cache', 'huggingface'));
  return {
    cache: expand(given(env.HF_HUB_CACHE) ?? given(env.HUGGINGFACE_HUB_CACHE) ?? join(home, 'hub')),
    endpoint: (given(env.HF_ENDPOINT) ?? 'https://huggingface.co').replace(/\/+$/, ''),
    offline: isTrue(env.HF_HUB_OFFLINE) || isTrue(env.TRANSFORMERS_OFFLINE),
    token:
      given(env.HF_TOKEN) ??
      given(env.HUGGING_FACE_HUB_TOKEN) ??
      tokenIn(expand(given(env.HF_TOKEN_PATH) ?? join(home, 'token'))),
  };
}

/** An empty variable is as good as none. */
function given(value: string | undefined): string | undefined {
  const text = value?.trim();
  return text === '' ? undefined : text;
}

const isTrue = (value: string | undefined): boolean => /^(1|on|yes|true)$/i.test(value ?? '');

const expand = (path: string): string => path.replace(/^~(?=\/|$)/, homedir());

function tokenIn(path: string): string | undefined {
  try {
    return given(readWholeTextSync(path));
  } catch {
    return undefined;
  }
}

/** A file of a repository, as the hub describes it. */
export interface HubFile {
  readonly name: string;
  readonly bytes: number;
  /** SHA-256 of a large file; of a small one the hash that git gives it. */
  readonly checksum: string;
  readonly isLarge: boolean;
}

/** A repository on Hugging Face, and which of its states is meant. */
export interface Repository {
  /** Present for the repository of a data set; others are of models. */
  readonly kind?: 'datasets';
  /** Name of the repository, such as `stabilityai/sd-vae-ft-ema`. */
  readonly id: string;
  /** A branch, a tag or a commit. */
  readonly revision: string;
}

const pattern = /^(?:hf:\/\/)?([\w-][\w.-]*\/[\w-][\w.-]*)(?:@([\w./-]+))?$/;

/** A file of a repository. */
export interface HubPlace {
  readonly repository: Repository;
  /** Path of the file in the repository. */
  readonly file: string;
}

/** Tells whether a path is meant to be of a file on Hugging Face. */
export const isHubPath = (path: string): boolean => path.startsWith('hf://');

const placePattern =
  /^hf:\/\/(?:(datasets)\/)?((?!(?:datasets|spaces)\/)[\w-][\w.-]*\/[\w-][\w.-]*)(?:@((?!refs\/)[\w.-]+|refs\/(?:pr|convert)\/[\w.-]+))?(?:\/([^@]+?))?(?:@([\w./-]+))?$/;

/**
 * Reads `hf://OWNER/NAME/FILE`, optionally with `@REVISION` at its end or after the name.
 *
 * @throws UserError `hub-path-malformed`
 */
export function hubPlace(path: string): HubPlace {
  const { repository, file } = readAddress(path) ?? {};
  if (repository !== undefined && repository.kind === undefined && file !== undefined)
    return { repository, file };
  throw new UserError({
    code: 'hub-path-malformed',
    usage: true,
    message: `${path}: a file of a model on Hugging Face is written hf://OWNER/NAME/FILE or hf://OWNER/NAME/FILE@REVISION.`,
    remedy: 'For example hf://nyu-visionx/SiT-collections/SiT-XL-2-256.pt.',
  });
}

/**
 * Reads `hf://datasets/OWNER/NAME/FILES`, optionally with `@REVISION` at its end or after the name: the files of a data
 * set, or of a model's repository, which may be a pattern or a folder. Without them, all.
 *
 * @throws UserError `hub-path-malformed`
 */
export function hubFiles(path: string): { readonly repository: Repository; readonly pattern: string } {
  const { repository, file = '' } = readAddress(path) ?? {};
  if (repository !== undefined) return { repository, pattern: file };
  throw new UserError({
    code: 'hub-path-malformed',
    usage: true,
    message: `${path}: files of a data set on Hugging Face are written hf://datasets/OWNER/NAME/FILES or hf://datasets/OWNER/NAME/FILES@REVISION.`,
    remedy: 'For example hf://datasets/ILSVRC/imagenet-1k/data/train-*.parquet.',
  });
}

function readAddress(
  path: string,
): { readonly repository: Repository; readonly file: string | undefined } | undefined {
  const [, kind, id, before, file, after] = placePattern.exec(path) ?? [];
  const revision = before ?? after ?? 'main';
  const isWhole =
    id !== undefined &&
    file?.split('/').some((part) => ['', '.', '..'].includes(part)) !== true &&
    (before === undefined || after === undefined) &&
    !revision.includes('..');
  if (!isWhole) return undefined;
  return { repository: { id, revision, ...(kind !== undefined && { kind: 'datasets' }) }, file };
}

/** A repository as addresses and folders of the cache name it. */
export const addressOf = ({ kind, id }: Repository): string => (kind === undefined ? id : `${kind}/${id}`);

/** Reads `organisation/name`, optionally with `@revision`; nothing for any other text, such as a path. */
export function parseRepository(text: string): Repository | undefined {
  const [, id, revision = 'main'] = pattern.exec(text) ?? [];
  return id === undefined || revision.includes('..') ? undefined : { id, revision };
}

/** Pin of an address: a commit, and the file or folder of it that is meant. */
export const pinOf = (commit: string, file?: string): string => (file ? `${commit}/${file}` : commit);

/** The commit of what `pinOf` gave. */
export const commitOf = (pin: string): string => pin.split('/', 1)[0]!;

/** True when a revision is the full hash of a commit, and so cannot move. */
export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
}

/**
 * One repository in the cache that Hugging Face's own libraries share: `refs` holds the commit of each branch and tag,
 * `snapshots` a folder of links a commit, `blobs` the files, named by their checksums.
 */
export class CachedRepository {
  private readonly folder: string;
  private readonly locks: string;

  constructor(
    cache: string,
    private readonly repository: Repository,
  ) {
    const name = `${repository.kind ?? 'models'}--${repository.id.replace('/', '--')}`;
    this.folder = join(cache, name);
    this.locks = join(cache, '.locks', name);
  }

  /** The commit that the revision was when it was last looked up. */
  get commit(): string | undefined {
    const { revision } = this.repository;
    if (isCommit(revision)) return revision;
    const path = join(this.folder, 'refs', revision);
    try {
      const commit = readWholeTextSync(path).trim();
      if (isCommit(commit)) return commit;
      throw new DamagedRecord('it names no commit');
    } catch (error) {
      if (!isAbsent(error)) tellDamaged(path, error, `what ${revision} stands for is looked up again`);
      return undefined;
    }
  }

  /** The folder of a commit's files. */
  snapshot(commit: string): string {
    return join(this.folder, 'snapshots', commit);
  }

  /** True when a file of a commit is there; a link whose target is gone does not count. */
  has(commit: string, file: string): boolean {
    return existsSync(join(this.snapshot(commit), file));
  }

  blob(checksum: string): string {
    return join(this.folder, 'blobs', checksum);
  }

  /** Makes the folder of the files, and gives it. */
  async ready(): Promise<string> {
    const folder = join(this.folder, 'blobs');
    await mkdir(folder, { recursive: true });
    return folder;
  }

  /** Bytes of files that interrupted downloads have left. */
  async begun(files: readonly HubFile[]): Promise<number> {
    const sizes = files.map(({ checksum }) => sizeOf(partialOf(this.blob(checksum))));
    return (await Promise.all(sizes)).reduce((sum, bytes) => sum + bytes, 0);
  }

  /** The lock that every library takes while it downloads a blob. */
  lock(checksum: string): string {
    return join(this.locks, `${checksum}.lock`);
  }

  /** Makes a file of a commit appear, whose blob is there. */
  async link(commit: string, file: string, checksum: string): Promise<void> {
    const path = join(this.snapshot(commit), file);
    await mkdir(dirname(path), { recursive: true });
    const aside = asideOf(path);
    await symlink(relative(dirname(path), this.blob(checksum)), aside);
    await rename(aside, path);
  }

  /** Remembers which commit the revision is. */
  async remember(commit: string): Promise<void> {
    const { revision } = this.repository;
    if (revision === commit) return;
    await replace(join(this.folder, 'refs', revision), commit);
  }

  /** All files of a commit, where they have been listed before. */
  async listing(commit: string): Promise<readonly HubFile[] | undefined> {
    const path = this.listingPath(commit);
    try {
      const text = await readRecord(path);
      return text === undefined ? undefined : (unsealJson(text, false).files as readonly HubFile[]);
    } catch (error) {
      if (!(error instanceof DamagedRecord)) throw error;
      tellDamaged(path, error, 'its files are listed again');
      return undefined;
    }
  }

  async rememberListing(commit: string, files: readonly HubFile[]): Promise<void> {
    await replace(this.listingPath(commit), sealJson({ files }, 0));
  }

  /** Beside what Hugging Face's own libraries keep there: they pass it over. */
  private listingPath(commit: string): string {
    return join(this.folder, 'listings', `${commit}.json`);
  }
}

async function replace(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const aside = asideOf(path);
  try {
    await writePlain(aside, text);
    await rename(aside, path);
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  }
}

/** Name of a file while it is downloaded. */
export const partialOf = (blob: string): string => `${blob}.incomplete`;

const asideOf = (path: string): string => `${path}.${randomBytes(4).toString('hex')}.tmp`;
