import { closeSync, existsSync, readSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { UserError } from '../../base/errors.js';
import { openFileSync } from '../../base/files.js';
import { chooseDevice, type Device } from './device-choice.js';
import { pinnedRelease } from './pinned-release.js';
import { cacheFolder, currentPlatform, setupCommand, setupWith } from './platform.js';
import { damagedFiles, findBuild, folderName, readManifest } from './release.js';
import type { Build, Platform, Release } from './release.js';

/** A native TensorFlow that is ready to be loaded. Paths are absolute. */
export interface LibraryLocation {
  /** Version of TensorFlow, such as `2.21.0`; `unknown` for a library of the user's own. */
  readonly version: string;
  readonly build: Build;
  readonly directory: string;
  /** The C++ library, which exports the C API. */
  readonly cc: string;
  /** The framework library that `cc` needs. */
  readonly framework: string;
}

export interface LibraryOptions {
  /** Device to compute on; by default the one that `PIPELINE_DEVICE` names, then the one that is there. */
  readonly device?: Device | undefined;
  readonly env?: NodeJS.ProcessEnv;
  readonly release?: Release;
  readonly platform?: Platform;
}

/**
 * Finds the native library; undefined when it has not been set up. Looks at names and sizes only (`verifyLibrary` reads
 * the content), so it takes about a millisecond. With `PIPELINE_TENSORFLOW` set, that folder's libraries are taken and
 * nothing else.
 *
 * @throws UserError `tensorflow-folder-incomplete` when `PIPELINE_TENSORFLOW` names a folder without the libraries,
 *   `tensorflow-damaged` when one of them is cut short;
 *   those of `chooseDevice`.
 */
export function locateLibrary(options: LibraryOptions = {}): LibraryLocation | undefined {
  const env = options.env ?? process.env;
  if (env.PIPELINE_TENSORFLOW) return locateOwn(resolve(env.PIPELINE_TENSORFLOW));
  const platform = options.platform ?? currentPlatform();
  if (platform === undefined) return undefined;
  const release = options.release ?? pinnedRelease;
  const { device, build } = chooseDevice(release, platform, options.device, env);
  const other = build === 'cpu' ? 'cuda' : 'cpu';
  // The CUDA build computes on CPUs as well; but who asks for a GPU is not served by the CPU build.
  const acceptable: readonly Build[] = device === 'gpu' ? ['cuda'] : [build, other];
  for (const each of acceptable) {
    const found = locateBuild(release, each, platform, env);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Finds one build; undefined when it is missing or damaged. */
export function locateBuild(
  release: Release,
  build: Build,
  platform: Platform,
  env: NodeJS.ProcessEnv,
): LibraryLocation | undefined {
  const entry = findBuild(release, build, platform);
  if (entry === undefined) return undefined;
  const directory = join(cacheFolder(env), folderName(release, entry));
  const manifest = readManifest(directory);
  if (manifest === undefined || damagedFiles(directory, manifest).length > 0) return undefined;
  return {
    version: manifest.version,
    build,
    directory,
    cc: join(directory, manifest.cc),
    framework: join(directory, manifest.framework),
  };
}

/** Files of a build in the cache that are missing or cut short; empty where it was never set up, or is whole. */
export function damagedBuild(build: Build, { env = process.env, ...options }: LibraryOptions = {}): string[] {
  const platform = options.platform ?? currentPlatform();
  const release = options.release ?? pinnedRelease;
  const entry = platform && findBuild(release, build, platform);
  if (entry === undefined) return [];
  const directory = join(cacheFolder(env), folderName(release, entry));
  const manifest = readManifest(directory);
  return manifest === undefined ? [] : damagedFiles(directory, manifest);
}

function locateOwn(directory: string): LibraryLocation {
  const names =
    process.platform === 'darwin'
      ? (['libtensorflow_cc.2.dylib', 'libtensorflow_framework.2.dylib'] as const)
      : (['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'] as const);
  const missing = names.filter((name) => !existsSync(join(directory, name)));
  if (missing.length > 0) {
    throw new UserError({
      code: 'tensorflow-folder-incomplete',
      message: `PIPELINE_TENSORFLOW names ${directory}, which has no ${missing.join(' and no ')}.`,
      remedy: `Name the folder that holds both, or unset it and run \`${setupCommand}\`.`,
    });
  }
  for (const name of names)
    if (isTruncatedElf(join(directory, name)))
      throw new UserError({
        code: 'tensorflow-damaged',
        message: `${join(directory, name)} is cut short: it ends before its own table of sections.`,
        remedy: `Copy it again, or unset PIPELINE_TENSORFLOW and run \`${setupCommand}\`.`,
      });
  return {
    version: readManifest(resolve(directory, '..'))?.version ?? 'unknown',
    build: existsSync(resolve(directory, '..', 'nvidia')) ? 'cuda' : 'cpu',
    directory,
    cc: join(directory, names[0]),
    framework: join(directory, names[1]),
  };
}

const headerBytes = 64;
/** `\x7fELF` */
const magic = 0x7f454c46;

/**
 * True when a 64-bit ELF file ends before its table of sections, which linkers write last: the loader maps such a file
 * and the process dies when it touches what is missing. False for files of other formats.
 */
function isTruncatedElf(path: string): boolean {
  const header = Buffer.alloc(headerBytes);
  const file = openFileSync(path);
  try {
    const read = readSync(file, header, 0, headerBytes, 0);
    if (header.readUInt32BE(0) !== magic) return false;
    if (read < headerBytes) return true;
  } finally {
    closeSync(file);
  }
  const [offset, entryBytes, entries] = [
    header.readBigUInt64LE(0x28),
    header.readUInt16LE(0x3a),
    header.readUInt16LE(0x3c),
  ];
  return BigInt(statSync(path).size) < offset + BigInt(entryBytes * entries);
}

/**
 * Error for a native library that is needed and missing or incomplete: names the file, and the command that fetches it.
 */
export function libraryMissing(options: LibraryOptions = {}): UserError {
  const cache = cacheFolder(options.env);
  for (const build of ['cpu', 'cuda'] as const) {
    const damaged = damagedBuild(build, options);
    if (damaged.length > 0)
      return new UserError({
        code: 'tensorflow-damaged',
        message: `The native TensorFlow library in ${cache} is not whole: ${damaged.join(', ')} ${damaged.length === 1 ? 'is' : 'are'} missing or cut short.`,
        remedy: `Run \`${build === 'cuda' ? setupWith('--gpu') : setupCommand}\`.`,
      });
  }
  return new UserError({
    code: 'tensorflow-missing',
    message: `The native TensorFlow library is not set up in ${cache}.`,
    remedy: `Run \`${setupCommand}\`. PIPELINE_BACKEND=wasm computes without it, many times slower.`,
  });
}
