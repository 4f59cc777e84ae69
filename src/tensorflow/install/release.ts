import { statSync } from 'node:fs';
import { join } from 'node:path';
import { isAbsent } from '../../base/existence.js';
import { readWholeTextSync } from '../../base/files.js';
import { DamagedRecord, tellDamaged, unsealJson } from '../../base/sealed.js';

/** `cuda` runs on NVIDIA GPUs, and on the CPU where there is none. */
export type Build = 'cpu' | 'cuda';

/** Operating system and processor, as Node names them. */
export type Platform = 'linux-x64' | 'linux-arm64' | 'darwin-arm64';

/** A file of the Python package index, recognised by its hash wherever it is fetched from. */
export interface Wheel {
  readonly package: string;
  readonly version: string;
  readonly filename: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** Wheels that make up the library for one platform, all unpacked into one folder. */
export interface ReleaseBuild {
  readonly build: Build;
  readonly platform: Platform;
  /** Path of the C++ library, which exports the C API, in the unpacked folder. */
  readonly cc: string;
  /** Path of the framework library that `cc` needs, in the unpacked folder. */
  readonly framework: string;
  /** Size of all that is unpacked. */
  readonly unpackedBytes: number;
  readonly wheels: readonly Wheel[];
}

export interface Release {
  readonly version: string;
  readonly builds: readonly ReleaseBuild[];
}

export function findBuild(release: Release, build: Build, platform: Platform): ReleaseBuild | undefined {
  return release.builds.find((each) => each.build === build && each.platform === platform);
}

/** Name of the folder, in the cache, that holds a build. */
export function folderName(release: Release, { build, platform }: ReleaseBuild): string {
  return `tensorflow-${release.version}-${build}-${platform}`;
}

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

/** The manifest of a folder, or undefined where there is none, or it is damaged, which is told of. */
export function readManifest(directory: string): Manifest | undefined {
  const path = join(directory, manifestFile);
  try {
    const manifest = unsealJson(readWholeTextSync(path)) as Partial<Manifest>;
    if (Array.isArray(manifest.files) && typeof manifest.cc === 'string') return manifest as Manifest;
    throw new DamagedRecord('is not of the expected form');
  } catch (error) {
    if (!isAbsent(error)) tellDamaged(path, error, `the library counts as not set up`);
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
