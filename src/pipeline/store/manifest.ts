import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Json } from '../stage.js';
import type { Environment } from '../environment.js';
import { sha256Of } from '../../files/input-file.js';
import { fingerprintOf, type Origin } from '../fingerprint/origin.js';
import { manifestName } from './layout.js';

export interface ManifestFile {
  /** Path in the output's folder, with `/` between its parts. */
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  /** Set where the file tells how the output was made rather than what was made. */
  readonly incidental?: true;
}

/** What a finished output says of itself. Written last: an output without it is not finished. */
export interface Manifest {
  readonly format: 2;
  readonly kind: string;
  readonly fingerprint: string;
  /** What the fingerprint was computed from. */
  readonly origin: Origin;
  readonly summary: Readonly<Record<string, Json>>;
  /** What its progress told last, such as the loss. */
  readonly figures?: Readonly<Record<string, number>>;
  /** Names of what the summary tells of the run rather than of the output. */
  readonly measured?: readonly string[];
  readonly madeWith: Environment;
  /** Time that the stage took, over all of its sessions. */
  readonly seconds: number;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly files: readonly ManifestFile[];
  /** What later stages can see of it, where that is more than its files: see `StageKind.passesOn`. */
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
  let text: string;
  try {
    text = await readFile(join(directory, manifestName), 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    if (code === 'EISDIR') throw new DamagedManifest(`${manifestName} is a folder`);
    throw error;
  }
  const manifest = parseManifest(text);
  if (manifest.fingerprint !== fingerprint || fingerprintOf(manifest.origin) !== fingerprint)
    throw new DamagedManifest(`${manifestName} is of another output`);
  return manifest;
}

/** What the output in a folder was made from, whichever output it is. @throws where that cannot be read */
export async function readOrigin(directory: string): Promise<Origin> {
  return parseManifest(await readFile(join(directory, manifestName), 'utf8')).origin;
}

/** A manifest as text, with the checksum of what it says as its last member. */
export function formatManifest(manifest: Manifest): string {
  return `${JSON.stringify({ ...manifest, sha256: checksum(manifest) }, undefined, 1)}\n`;
}

/** A manifest of its text. Those of earlier versions have no checksum. @throws DamagedManifest */
function parseManifest(text: string): Manifest {
  let sealed: (Partial<Manifest> & { readonly sha256?: unknown }) | null;
  try {
    sealed = JSON.parse(text) as typeof sealed;
  } catch {
    throw new DamagedManifest(`${manifestName} is not valid JSON`);
  }
  const { sha256, ...manifest } = isMap(sealed) ? sealed : {};
  const { origin, files, summary } = manifest as Partial<Manifest>;
  const isWhole =
    isMap(origin) &&
    isMap(origin.config) &&
    isMap(summary) &&
    [files, origin.references, origin.inputs].every((list) => Array.isArray(list) && list.every(isMap));
  if ((manifest as Partial<Manifest>).format !== 2 || !isWhole)
    throw new DamagedManifest(`${manifestName} is not of format 2`);
  if (sha256 !== undefined && sha256 !== checksum(manifest))
    throw new DamagedManifest(`${manifestName} is not what was written`);
  return manifest as Manifest;
}

const checksum = (content: object): string => sha256Of(Buffer.from(JSON.stringify(content)));

const isMap = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
