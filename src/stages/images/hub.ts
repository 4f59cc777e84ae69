import { realpathSync } from 'node:fs';
import { join, posix } from 'node:path';
import picomatch from 'picomatch';
import { UserError } from '../../base/errors.js';
import { counted, formatBytes } from '../../base/format.js';
import type { Expected } from '../../base/input-file.js';
import { expandBraces, expandLocation, type Places } from '../../base/patterns.js';
import { imageContainers } from '../../data/images/container.js';
import { checkSplits } from '../../data/images/contained.js';
import { damagedFile, fetchFiles, listedFiles, missingFiles, pinnedCommit } from '../../formats/hub/files.js';
import type { DownloadProgress } from '../../formats/hub/hub.js';
import { addressOf, pinOf, type HubFile } from '../../formats/hub/repository.js';
import { readContent } from '../../runner/fingerprint/content.js';
import { readStates } from '../../runner/fingerprint/hash-cache.js';
import type { StageFact } from '../../runner/stage.js';
import { hashesFolder } from '../../runner/store/manifest.js';
import { type HubImages, nameOf } from './facts.js';

/** Pin of images on Hugging Face. @throws UserError as `pinnedCommit`, or `hub-file-missing` */
export async function pinImages(hub: HubImages, signal?: AbortSignal): Promise<string> {
  const { commit } = await chosenFiles(hub, signal);
  return pinOf(commit, hub.patterns.join(' '));
}

/** Tells what a run downloads. */
export async function describeDownload(hub: HubImages): Promise<StageFact> {
  const { commit, files } = await chosenFiles(hub);
  const missing = missingFiles(hub.repository, commit, files, process.env);
  const all = `${counted(files.length, 'file')}, ${formatBytes(bytesOf(files))}`;
  const rest = missing.length < files.length ? ` (${formatBytes(bytesOf(missing))} of it are missing)` : '';
  return {
    label: 'from',
    value: `${nameOf(hub.repository)}: ${all}${missing.length === 0 ? ', in the cache' : `, downloaded when it runs${rest}`}`,
  };
}

const bytesOf = (files: readonly HubFile[]): number => files.reduce((sum, { bytes }) => sum + bytes, 0);

/** Files of images in the cache, and what is in each that can be told from its name there. */
export interface FetchedImages {
  readonly commit: string;
  readonly places: Places;
  readonly expected: ReadonlyMap<string, Expected>;
}

interface FetchOptions {
  readonly signal: AbortSignal;
  /** Folder of all runs, which knows the hashes of files. */
  readonly runsRoot?: string | undefined;
  readonly onProgress?: DownloadProgress;
}

/**
 * Brings the files of a commit into the cache where they are not there yet. Each is hashed once, and again only where its
 * size, times or inode change.
 *
 * @param commit that the revision was when the stage was planned; as it is known now, if absent
 * @throws UserError as `fetchFiles`, `hub-file-missing` or `hub-file-damaged`
 */
export async function fetchImages(
  hub: HubImages,
  pinned: string | undefined,
  { signal, runsRoot, onProgress }: FetchOptions,
): Promise<FetchedImages> {
  const { commit, files } = await chosenFiles(hub, signal, pinned);
  const base = await fetchFiles(hub.repository, commit, files, { env: process.env, signal, onProgress });
  const paths = files.map(({ name }) => join(base, name));
  const expected =
    runsRoot === undefined ? new Map<string, Expected>() : await verified(paths, files, runsRoot, signal);
  return { commit, places: { base, paths, missing: [] }, expected };
}

/** Compares large files with the hashes that the hub announces: small ones are compared where they are fetched. */
async function verified(
  paths: readonly string[],
  files: readonly HubFile[],
  runsRoot: string,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Expected>> {
  const location = paths.join('\n');
  const { base } = expandLocation(location);
  const byPath = new Map(paths.map((path, i) => [path, files[i]!]));
  const pathOf = (name: string) => (name === '' ? location : join(base, name));
  const hashes = hashesFolder(runsRoot);
  const expected = new Map<string, Expected>();
  await readContent(location, {
    hashes,
    signal,
    onFile: (name, sha256) => {
      const path = pathOf(name);
      const { isLarge, checksum } = byPath.get(path)!;
      if (isLarge && checksum !== sha256) throw damagedFile(realpathSync(path), `SHA-256 is ${sha256}`);
      expected.set(path, { sha256 });
    },
  });
  for (const [name, { sha256, state }] of await readStates(hashes, location))
    if (expected.get(pathOf(name))?.sha256 === sha256) expected.set(pathOf(name), { sha256, state });
  return expected;
}

async function chosenFiles(
  hub: HubImages,
  signal?: AbortSignal,
  pinned?: string,
): Promise<{ readonly commit: string; readonly files: readonly HubFile[] }> {
  const options = { env: process.env, signal };
  const commit = pinned ?? (await pinnedCommit(hub.repository, options));
  return { commit, files: await choose(hub, await listedFiles(hub.repository, commit, options)) };
}

/** The files that patterns name, in the order of their names. @throws UserError `hub-file-missing` */
async function choose(
  { repository, patterns }: HubImages,
  files: readonly HubFile[],
): Promise<readonly HubFile[]> {
  const forms = await imageContainers();
  const held = files.filter(({ name }) => forms.some(({ fileName }) => fileName.test(posix.basename(name))));
  const address = nameOf(repository);
  const chosen = new Set<HubFile>();
  for (const pattern of patterns.flatMap((each) => expandBraces(each, each))) {
    const isPattern = /[*?[]/.test(pattern);
    const matches = isPattern ? picomatch(pattern) : (name: string) => name === pattern;
    const named = held.filter(({ name }) => matches(name));
    const inFolder = held.filter(({ name }) => pattern === '' || name.startsWith(`${pattern}/`));
    if (named.length === 0 && !isPattern && inFolder.length > 0) {
      const names = inFolder.map(({ name }) => name);
      checkSplits(within(address, pattern), names, within(`hf://${addressOf(repository)}`, pattern));
      for (const file of inFolder) chosen.add(file);
    } else if (named.length > 0) for (const file of named) chosen.add(file);
    else throw noSuchFiles(address, pattern, held, files);
  }
  return [...chosen].sort((a, b) => (a.name < b.name ? -1 : 1));
}

const within = (address: string, folder: string): string =>
  folder === '' ? address : `${address}/${folder}`;

function noSuchFiles(
  address: string,
  pattern: string,
  held: readonly HubFile[],
  files: readonly HubFile[],
): UserError {
  const isOther = files.some(({ name }) => name === pattern || name.startsWith(`${pattern}/`));
  const there = held.map(({ name }) => name);
  return new UserError({
    code: 'hub-file-missing',
    message: `${address}: ${pattern === '' || isOther ? `${pattern || 'it'} is, or holds, no tar, zip, parquet or IDX file` : `it has no tar, zip, parquet or IDX file ${pattern}`}.`,
    remedy:
      there.length > 0
        ? `It has ${there.slice(0, 6).join(', ')}${there.length > 6 ? ` and ${there.length - 6} more` : ''}.`
        : 'Its images lie in files of another form: download them and name their folder, or try its parquet files, which the Hub makes of many data sets: hf://datasets/OWNER/NAME@refs/convert/parquet.',
  });
}
