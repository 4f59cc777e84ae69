import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../base/errors.js';
import { asUserError, sha256OfFile } from '../../base/files.js';
import { formatBytes } from '../../base/format.js';
import { writeFileWhole } from '../../base/output-file.js';
import { DamagedRecord, readRecord, sealJson, tellDamaged, unsealJson } from '../../base/sealed.js';
import type { LibraryLocation } from './locate.js';
import { extractFiles, obtainWheel } from './obtain-wheel.js';
import { damagedFiles, folderName, manifestFile, readManifest } from './release.js';
import type { Manifest, Release, ReleaseBuild, UnpackedFile, Wheel } from './release.js';
import type { FetchContext } from './wheel-source.js';

/** Beside the unpacked files while not all wheels are: what each finished wheel gave. */
const sealsFolder = 'unpacked';

/**
 * Fetches and unpacks a build into the cache. Its folder appears whole or not at all, and what an interrupted installation has
 * finished is kept: wheels that were unpacked, and the beginning of a download. The caller holds the lock.
 *
 * @throws UserError when the wheels cannot be had, or the disk is full or read-only.
 */
export async function installBuild(
  cache: string,
  release: Release,
  build: ReleaseBuild,
  context: FetchContext,
): Promise<void> {
  const target = join(cache, folderName(release, build));
  const staging = `${target}.partial`;
  try {
    await mkdir(join(staging, sealsFolder), { recursive: true });
    await removeLeftovers(cache, context.downloads);
    const files: UnpackedFile[] = [];
    for (const [index, wheel] of build.wheels.entries()) {
      const kept = await readSeal(staging, wheel);
      if (kept === undefined) await requireSpace(cache, build, index);
      files.push(...(kept ?? (await unpack(staging, wheel, context))));
    }
    await finish(target, staging, release, build, files);
  } catch (error) {
    throw asUserError(error, target);
  }
}

async function unpack(staging: string, wheel: Wheel, context: FetchContext): Promise<UnpackedFile[]> {
  const { report, signal } = context;
  report({ type: 'step', message: `fetching ${wheel.filename} (${formatBytes(wheel.bytes)})` });
  const { path, ours } = await obtainWheel(wheel, context);
  report({ type: 'step', message: `unpacking ${wheel.filename}` });
  const files = await extractFiles(path, staging, report, signal);
  await writeFileWhole(sealPath(staging, wheel), sealJson({ files }));
  if (ours) await rm(path);
  return files;
}

async function finish(
  target: string,
  staging: string,
  release: Release,
  { build, platform, cc, framework }: ReleaseBuild,
  files: readonly UnpackedFile[],
): Promise<void> {
  for (const library of [cc, framework]) {
    if (!files.some(({ path }) => path === library)) throw new Error(`the wheels hold no ${library}`);
  }
  const manifest: Manifest = { version: release.version, build, platform, cc, framework, files };
  await rm(join(staging, sealsFolder), { recursive: true });
  await writeFileWhole(join(staging, manifestFile), sealJson(manifest, 2));
  // What lies there now is damaged, or the build would have been found. Programs that have it loaded keep it.
  if (existsSync(target)) {
    const aside = `${target}.damaged`;
    await rm(aside, { recursive: true, force: true });
    await rename(target, aside);
    await rename(staging, target);
    await rm(aside, { recursive: true });
  } else {
    await rename(staging, target);
  }
}

/** Reads which files a wheel gave before an interruption, if they are all still there. */
async function readSeal(staging: string, wheel: Wheel): Promise<UnpackedFile[] | undefined> {
  const path = sealPath(staging, wheel);
  try {
    const text = await readRecord(path);
    if (text === undefined) return undefined;
    const { files } = unsealJson(text) as { readonly files: UnpackedFile[] };
    return damagedFiles(staging, { files }).length === 0 ? files : undefined;
  } catch (error) {
    if (!(error instanceof DamagedRecord)) throw error;
    tellDamaged(path, error, 'its wheel is unpacked again');
    return undefined;
  }
}

function sealPath(staging: string, wheel: Wheel): string {
  return join(staging, sealsFolder, `${wheel.sha256}.json`);
}

async function requireSpace(cache: string, build: ReleaseBuild, firstWheel: number): Promise<void> {
  const wheels = build.wheels.slice(firstWheel).map(({ bytes }) => bytes);
  const share = wheels.reduce((sum, bytes) => sum + bytes, 0) / allBytes(build);
  const needed = Math.max(...wheels) + build.unpackedBytes * share;
  const { bavail, bsize } = await statfs(cache);
  if (bavail * bsize >= needed) return;
  throw new UserError({
    code: 'disk-full',
    message: `${cache}: TensorFlow needs ${formatBytes(needed)} there, and ${formatBytes(bavail * bsize)} are free.`,
  });
}

function allBytes({ wheels }: ReleaseBuild): number {
  return wheels.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Scratch folders of a pip that was killed, and a damaged library that was being removed. */
async function removeLeftovers(cache: string, downloads: string): Promise<void> {
  const names = async (folder: string) => readdir(folder).catch(() => []);
  const leftovers = [
    ...(await names(cache)).filter((name) => name.endsWith('.damaged')).map((name) => join(cache, name)),
    ...(await names(downloads))
      .filter((name) => name.startsWith('pip-'))
      .map((name) => join(downloads, name)),
  ];
  for (const path of leftovers) await rm(path, { recursive: true, force: true });
}

/**
 * Reads the whole library and compares it with its manifest.
 *
 * @returns paths of the files that differ; empty when all is well, and for a library of the user's own, which has no manifest.
 */
export async function verifyLibrary(location: LibraryLocation): Promise<string[]> {
  const manifest = readManifest(location.directory);
  if (manifest === undefined) return [];
  const damaged = damagedFiles(location.directory, manifest);
  for (const file of manifest.files) {
    const path = join(location.directory, file.path);
    if (!damaged.includes(path) && (await sha256OfFile(path)) !== file.sha256) damaged.push(path);
  }
  return damaged;
}
