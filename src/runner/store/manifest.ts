import { createHash, randomBytes } from 'node:crypto';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { addFile } from '../../base/file-hash.js';
import { readWholeText, writePlain } from '../../base/files.js';
import { isMap } from '../../base/is-map.js';
import { DamagedRecord, readRecord, sealJson, unsealJson } from '../../base/sealed.js';
import type { Environment } from '../environment.js';
import type { Content } from '../fingerprint/content.js';
import { readHashes } from '../fingerprint/hash-cache.js';
import { fingerprintOf, hashJson, type Origin } from '../fingerprint/origin.js';
import type { Json, StageKind } from '../stage.js';

export interface ManifestFile {
  /** Path in the output's folder, with `/` between its parts. */
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  /** Set where the file tells how the output was made rather than what was made. */
  readonly incidental?: true;
}

/** Description of a finished output. Written last: an output without it is not finished. */
export interface Manifest {
  readonly format: 2;
  readonly kind: string;
  readonly fingerprint: string;
  /** Origin from which the fingerprint was computed. */
  readonly origin: Origin;
  readonly summary: Readonly<Record<string, Json>>;
  /** Last figures of its progress, such as the loss. */
  readonly figures?: Readonly<Record<string, number>>;
  /** Names of what the summary tells of the run rather than of the output. */
  readonly measured?: readonly string[];
  readonly madeWith: Environment;
  /** Time that the stage took, over all of its sessions. */
  readonly seconds: number;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly files: readonly ManifestFile[];
  /** Content that later stages can see of it, where that is more than its files: see `StageKind.passesOn`. */
  readonly content?: string;
}

/** A manifest that is there but cannot be relied on. */
export class DamagedManifest extends Error {}

/**
 * Reads the manifest of an output's folder: undefined where there is none.
 *
 * @throws DamagedManifest where it is not one of ours, or is not of the output `fingerprint`.
 */
export async function readManifest(directory: string, fingerprint: string): Promise<Manifest | undefined> {
  const text = await readRecord(join(directory, manifestName)).catch(asDamagedManifest);
  return text === undefined ? undefined : checkManifest(text, fingerprint);
}

/** The manifest of the output `fingerprint`, from its text. @throws DamagedManifest where it is not */
export function checkManifest(text: string, fingerprint: string): Manifest {
  const manifest = parseManifest(text);
  if (manifest.fingerprint !== fingerprint || fingerprintOf(manifest.origin) !== fingerprint)
    throw new DamagedManifest(`${manifestName} is of another output`);
  return manifest;
}

/** Reads the manifest of the output in a folder, whichever output it is. @throws where that cannot be read */
export async function readAnyManifest(directory: string): Promise<Manifest> {
  return parseManifest(await readWholeText(join(directory, manifestName)));
}

/** A manifest as text. */
export const formatManifest = (manifest: Manifest): string => sealJson(manifest);

/** A manifest of its text. @throws DamagedManifest */
function parseManifest(text: string): Manifest {
  let manifest: Partial<Manifest> = {};
  try {
    manifest = unsealJson(text);
  } catch (error) {
    asDamagedManifest(error);
  }
  const { origin, files, summary } = manifest;
  const isWhole =
    isMap(origin) &&
    isMap(origin.config) &&
    isMap(summary) &&
    [files, origin.references, origin.inputs].every((list) => Array.isArray(list) && list.every(isMap));
  if (manifest.format !== 2 || !isWhole) throw new DamagedManifest(`${manifestName} is not of format 2`);
  return manifest as Manifest;
}

function asDamagedManifest(error: unknown): never {
  throw error instanceof DamagedRecord ? new DamagedManifest(`${manifestName} ${error.message}`) : error;
}

/** Size of all files of an output. */
export const bytesOf = ({ files }: Pick<Manifest, 'files'>): number =>
  files.reduce((sum, { bytes }) => sum + bytes, 0);

/**
 * SHA-256 of an output: over the names and hashes of its files, in the order of their names, but for those that tell how
 * it was made rather than what was made. Undefined where there are no others.
 */
export function outputHash({ files }: Pick<Manifest, 'files'>): string | undefined {
  const counted = files.filter(({ incidental }) => incidental !== true);
  if (counted.length === 0) return undefined;
  const hash = createHash('sha256');
  for (const { path, sha256 } of counted) addFile(hash, path, sha256);
  return hash.digest('hex');
}

/**
 * Content that later stages can see of an output, however it was made: two outputs with the same content are the same
 * to them. Where all of an output tells how it was made, or nobody noted what is read through it, it is the
 * fingerprint.
 */
export function outputContent(kind: Pick<StageKind<never>, 'passesOn'>, manifest: Manifest): string {
  if (kind.passesOn !== undefined) return manifest.content ?? manifest.fingerprint;
  return outputHash(manifest) ?? manifest.fingerprint;
}

/**
 * The content of an output that names files of an input, which later stages read there: its own files and those.
 *
 * @param names as the output names them, in any order
 */
export async function contentWith(
  output: Pick<Manifest, 'files'>,
  names: readonly string[],
  input: Content,
): Promise<string> {
  const own = outputHash(output) ?? null;
  return hashJson({ output: own, passedOn: (await passedOn(names, input)) ?? { input: input.digest } });
}

/**
 * Hash of what is passed on; undefined where the hashes of the input's files were not kept, have changed since, or lack
 * one of the names.
 */
async function passedOn(names: readonly string[], { hashes, digest }: Content): Promise<string | undefined> {
  if (hashes === undefined) return undefined;
  const wanted = new Set(names);
  const all = createHash('sha256');
  const named = createHash('sha256');
  for await (const [name, sha256] of readHashes(hashes)) {
    addFile(all, name, sha256);
    if (wanted.delete(name)) addFile(named, name, sha256);
  }
  return all.digest('hex') === digest && wanted.size === 0 ? named.digest('hex') : undefined;
}

/** Paths of one output and what belongs to it: all side by side, so that a rename can put the output in its place. */
export interface OutputPlace {
  readonly kind: string;
  readonly fingerprint: string;
  /** Folder of all outputs of the kind. */
  readonly folder: string;
  /** The finished output. */
  readonly directory: string;
  /** The output while it is being made. */
  readonly partial: string;
  /** Held while the output is being made. */
  readonly lock: string;
  /** Bookkeeping of the sessions that make the output. */
  readonly session: string;
  /** File that keeps why making the output failed last, for runs that wait for it. */
  readonly failure: string;
  /** File that names the other output which someone accepted in the place of this one. */
  readonly acceptance: string;
}

/** The place of an output in the store under `runsRoot`. */
export function outputPlace(runsRoot: string, kind: string, fingerprint: string): OutputPlace {
  const folder = join(runsRoot, 'store', kind);
  const directory = join(folder, fingerprint.slice(0, 16));
  return {
    kind,
    fingerprint,
    folder,
    directory,
    partial: `${directory}.partial`,
    lock: `${directory}.lock`,
    session: `${directory}.session.json`,
    failure: `${directory}.failed.json`,
    acceptance: `${directory}.accepted.json`,
  };
}

/** Folder of the remembered hashes of files. */
export function hashesFolder(runsRoot: string): string {
  return join(runsRoot, 'store', '.hashes');
}

/** Folder of the lists of files that outputs were made from. */
export function listingsFolder(runsRoot: string): string {
  return join(runsRoot, 'store', '.inputs');
}

/** The name, in an output's folder, of what makes it whole. */
export const manifestName = 'manifest.json';

/**
 * Replaces a file in one step, so that readers see the old or the new content. Several processes may do so at once: the
 * last one wins. Not synced: for files that can be made again.
 */
export async function replaceFile(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const aside = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    await writePlain(aside, content);
    await rename(aside, path);
  } catch (error) {
    await rm(aside, { force: true }).catch(() => undefined);
    throw error;
  }
}
