import { createHash } from 'node:crypto';
import { type BigIntStats, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { addFile, fileState, type FileState, hashFile } from '../../base/file-hash.js';
import { locationOf } from '../../base/patterns.js';
import type { Json } from '../stage.js';
import { HashCache } from './hash-cache.js';
import { isArray, isObject, type KeyPath } from './origin.js';
import { leadsNowhere, type WalkedFile, walkFiles } from './walk-files.js';

/** The content of a file or folder. */
export interface Content {
  readonly files: number;
  readonly bytes: number;
  /** SHA-256 over all names and hashes, in hexadecimal. */
  readonly digest: string;
  /** File that keeps the hash of each file, for `readHashes`; absent where it could not be written. */
  readonly hashes?: string;
}

interface ReadContentOptions {
  /** Folder of the remembered hashes. */
  readonly hashes: string;
  /** A folder that does not count, wherever it is met: the folder of runs. */
  readonly leaveOut?: string;
  readonly signal?: AbortSignal;
  /** Callback with each file, in the order of names. */
  readonly onFile?: (name: string, sha256: string) => void;
  /** Callback with the number of files that are done. */
  readonly onProgress?: (done: number) => void;
}

/**
 * Reads the content of a file or folder, following links. Files whose size, times and inode are as remembered are not
 * read. However many files there are, few are in memory.
 *
 * @throws the file system's error where the file or folder, or a file in it, cannot be read.
 */
export async function readContent(root: string, options: ReadContentOptions): Promise<Content> {
  const cache = await HashCache.open(options.hashes, root);
  try {
    const digest = createHash('sha256');
    let files = 0;
    let bytes = 0;
    for await (const batch of walkFiles(root, options)) {
      options.signal?.throwIfAborted();
      for (const { name, sha256, state } of await hashBatch(batch, cache)) {
        await cache.note(name, sha256, state);
        addFile(digest, name, sha256);
        options.onFile?.(name, sha256);
        files++;
        bytes += state?.bytes ?? 0;
      }
      options.onProgress?.(files);
    }
    return {
      files,
      bytes,
      digest: digest.digest('hex'),
      ...((await cache.save()) && { hashes: cache.path }),
    };
  } catch (error) {
    await cache.abandon();
    throw error;
  }
}

interface HashedName {
  readonly name: string;
  readonly sha256: string;
  /** Absent for a link that leads nowhere. */
  readonly state?: FileState;
}

/** Stands for the hash of a link whose target does not exist. */
export const noContent = '-';

async function hashBatch(batch: readonly WalkedFile[], cache: HashCache): Promise<readonly HashedName[]> {
  const states = await statesOf(batch);
  const known: (string | undefined)[] = [];
  for (const [i, { name }] of batch.entries()) {
    const state = states[i];
    known.push(state && (await cache.find(name, state)));
  }
  return Promise.all(
    batch.map(async ({ name, path }, i) => {
      const state = states[i];
      if (state === undefined) return { name, sha256: noContent };
      const sha256 = known[i];
      return sha256 === undefined ? { name, ...(await hashFile(path)) } : { name, sha256, state };
    }),
  );
}

/** Most milliseconds that asking for a file's state may take on average, to be asked for without a thread. */
const quickMs = 0.05;
/** True while the file system answers at once: asking on a thread takes ten times as long then. */
let answersAtOnce = true;

async function statesOf(batch: readonly WalkedFile[]): Promise<readonly (FileState | undefined)[]> {
  if (!answersAtOnce)
    return Promise.all(
      batch.map(({ path }) => stat(path, { bigint: true }).then(fileState, nothingWhereItLeadsNowhere)),
    );
  const start = performance.now();
  const states = batch.map(({ path }) => stateAtOnce(path));
  answersAtOnce = performance.now() - start < quickMs * batch.length;
  return states;
}

function stateAtOnce(path: string): FileState | undefined {
  let found: BigIntStats | undefined;
  try {
    found = statSync(path, { bigint: true });
  } catch (error) {
    nothingWhereItLeadsNowhere(error);
  }
  return found && fileState(found);
}

function nothingWhereItLeadsNowhere(error: unknown): undefined {
  if (!leadsNowhere(error)) throw error;
}

/**
 * Finds where a configuration names the file or folder `location`: values that, resolved against the pipeline file's
 * folder, are its absolute path, at keys that hold paths (`path`, `file`, `weights`, or ending in `Path` or `File`).
 */
export function findInputPaths(
  config: Json,
  location: string,
  pipelineDirectory: string,
): readonly KeyPath[] {
  const found: KeyPath[] = [];
  const visit = (value: Json, path: KeyPath): void => {
    if (typeof value === 'string') {
      const key = path.findLast((part) => !/^\d+$/.test(part));
      if (key !== undefined && holdsPath.test(key) && locationOf(value, pipelineDirectory) === location)
        found.push(path);
    } else if (isArray(value)) {
      const texts = value.filter((item) => typeof item === 'string');
      const isList = texts.length > 0 && texts.length === value.length && holdsPath.test(path.at(-1) ?? '');
      if (isList && locationOf(texts, pipelineDirectory) === location) found.push(path);
      value.forEach((item, i) => {
        visit(item, [...path, String(i)]);
      });
    } else if (isObject(value)) {
      for (const [key, item] of Object.entries(value)) visit(item, [...path, key]);
    }
  };
  visit(config, []);
  return found;
}

const holdsPath = /^(path|file|weights)$|(Path|File)$/;
