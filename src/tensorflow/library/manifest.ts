import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Build, Platform } from './release.js';

export const manifestFile = 'manifest.json';

/** A file of an unpacked library. */
export interface UnpackedFile {
  /** Relative to the folder of the library. */
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** Written last into the folder of an unpacked library: where it is missing, the library is not whole. */
export interface Manifest {
  readonly version: string;
  readonly build: Build;
  readonly platform: Platform;
  readonly cc: string;
  readonly framework: string;
  readonly files: readonly UnpackedFile[];
}

/** The manifest of a folder, or undefined where there is none that can be read. */
export function readManifest(directory: string): Manifest | undefined {
  try {
    const manifest = JSON.parse(readFileSync(join(directory, manifestFile), 'utf8')) as Partial<Manifest>;
    return Array.isArray(manifest.files) && typeof manifest.cc === 'string'
      ? (manifest as Manifest)
      : undefined;
  } catch {
    return undefined;
  }
}

/** Paths of the files that are missing or have another size than the manifest says. */
export function damagedFiles(directory: string, manifest: Pick<Manifest, 'files'>): string[] {
  return manifest.files
    .map((file) => ({ path: join(directory, file.path), bytes: file.bytes }))
    .filter(({ path, bytes }) => statSync(path, { throwIfNoEntry: false })?.size !== bytes)
    .map(({ path }) => path);
}
