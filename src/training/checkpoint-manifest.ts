import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type FileSeal, writeFileWhole } from '../files/output-file.js';
import { sha256OfFile } from '../files/sha256-file.js';
import type { LossScaleState } from './loss-scale.js';

/** What a checkpoint says of itself, beside its tensors. */
export interface CheckpointFacts<Extra> {
  /** Steps taken before it. */
  readonly step: number;
  /** What else belongs to the state, as JSON. */
  readonly extra: Extra;
  /** What the training follows from: a fingerprint, and what it was computed from. As JSON. */
  readonly made?: MadeFrom | undefined;
  readonly lossScale?: LossScaleState | undefined;
}

/** What a training follows from, such as its configuration: equal fingerprints mean the same training. */
export interface MadeFrom {
  readonly fingerprint: string;
  readonly origin: unknown;
}

type Manifest<Extra> = CheckpointFacts<Extra> & {
  readonly format: typeof format;
  readonly files: Readonly<Record<string, FileSeal>>;
};

const format = 'checkpoint-2';
export const manifestName = 'manifest.json';

/** Writes the manifest, with the checksum of what it says as its last member. */
export async function writeManifest<Extra>(
  directory: string,
  facts: CheckpointFacts<Extra>,
  files: Readonly<Record<string, FileSeal>>,
): Promise<void> {
  const manifest: Manifest<Extra> = { format, ...facts, files };
  const sealed = { ...manifest, sha256: checksum(manifest) };
  await writeFileWhole(join(directory, manifestName), JSON.stringify(sealed, undefined, 1) + '\n');
}

/** The facts of a checkpoint whose files are all as they were written, or what is wrong with it. */
export async function verifyCheckpoint<Extra>(path: string): Promise<CheckpointFacts<Extra> | string> {
  const manifest = await readManifest<Extra>(path);
  if (typeof manifest === 'string') return manifest;
  for (const [name, seal] of Object.entries(manifest.files)) {
    const problem = await problemOf(join(path, name), seal);
    if (problem !== undefined) return `${name} ${problem}`;
  }
  const { step, extra, made, lossScale } = manifest;
  return { step, extra, made, lossScale };
}

async function readManifest<Extra>(path: string): Promise<Manifest<Extra> | string> {
  let sealed: Omit<Manifest<Extra>, 'format'> & { readonly format: string; readonly sha256?: string };
  try {
    sealed = JSON.parse(await readFile(join(path, manifestName), 'utf8')) as typeof sealed;
  } catch {
    return `${manifestName} cannot be read`;
  }
  const { sha256, ...manifest } = sealed;
  if (manifest.format !== format) return `${manifestName} is not of this version`;
  return sha256 === checksum(manifest) ? { ...manifest, format } : `${manifestName} is not what was written`;
}

async function problemOf(path: string, { bytes, sha256 }: FileSeal): Promise<string | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return 'is missing';
  if (found.size !== bytes) return `has ${found.size} bytes instead of ${bytes}`;
  const actual = await sha256OfFile(path).catch(() => undefined);
  return actual === sha256 ? undefined : 'is not what was written';
}

function checksum(content: object): string {
  return createHash('sha256').update(JSON.stringify(content)).digest('hex');
}
