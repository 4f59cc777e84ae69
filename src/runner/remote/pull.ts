import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileState, hashFile } from '../../base/file-hash.js';
import type { FileLock } from '../../base/file-lock.js';
import { asUserError, openFile, syncFolder } from '../../base/files.js';
import { requireSpace, writeFileWhole } from '../../base/output-file.js';
import { findOutput } from '../store/find-output.js';
import { bytesOf, formatManifest, hashesFolder, manifestName } from '../store/manifest.js';
import type { ManifestFile, OutputPlace } from '../store/manifest.js';
import { lockOutput } from '../store/output-lock.js';
import { moveDamagedAside, putInPlace, rememberHashes } from '../store/seal.js';
import { noSuchFile, noSuchFolder } from './rclone.js';
import { damaged, type Remote, type RemoteOutput } from './remote.js';

export interface PullOptions {
  readonly runsRoot: string;
  readonly signal: AbortSignal;
  readonly onBytes: (done: number, total: number) => void;
}

/**
 * Brings an output of a remote into the store: whole, with every file as its manifest says, or not at all. What an
 * interrupted attempt brought is continued. Gives whether it had to be brought.
 *
 * @throws UserError `remote-damaged`, `disk-full`; those of `Rclone.run`
 */
export async function pullOutput(
  place: OutputPlace,
  remote: Remote,
  found: RemoteOutput,
  options: PullOptions,
): Promise<boolean> {
  const { runsRoot, signal } = options;
  await mkdir(place.folder, { recursive: true }).catch((error: unknown) => {
    throw asUserError(error, place.folder);
  });
  const lock = await lockOutput(place.lock, { signal, onWait: () => undefined });
  try {
    const here = await findOutput(place, hashesFolder(runsRoot), signal);
    if (here.state === 'whole') return false;
    if (here.state === 'damaged') await moveDamagedAside(place);
    const staging = join(place.folder, `${found.copy}.pull.tmp`);
    try {
      await mkdir(staging, { recursive: true });
      await fetchFiles(staging, place, remote, found, lock, options);
      await seal(staging, place, runsRoot, found);
    } catch (error) {
      throw asUserError(error, staging);
    }
    return true;
  } finally {
    lock.release();
  }
}

/** Brings what is missing, and checks every file. What arrives damaged is brought once more. */
async function fetchFiles(
  staging: string,
  place: OutputPlace,
  remote: Remote,
  found: RemoteOutput,
  lock: FileLock,
  { signal, onBytes }: PullOptions,
): Promise<void> {
  const { manifest, copy } = found;
  const folder = `${place.kind}/${copy}`;
  await removeOthers(staging, manifest.files);
  await checkSpace(staging, manifest.files);
  let missing = await notWhole(staging, manifest.files, signal);
  for (let attempt = 1; missing.length > 0; attempt++) {
    const total = bytesOf(manifest);
    const toFetch = missing.reduce((sum, { file, there }) => sum + file.bytes - there, 0);
    let arrived = total - toFetch;
    onBytes(arrived, total);
    for (const { file, there } of missing.filter((each) => each.there > 0)) {
      await continueFile(join(staging, file.path), `${folder}/${file.path}`, there, remote, lock);
      arrived += file.bytes - there;
      onBytes(arrived, total);
    }
    const fresh = missing.filter(({ there }) => there === 0).map(({ file }) => file.path);
    if (fresh.length > 0)
      await remote.rclone.run(
        ['copy', remote.rclone.at(folder), staging, '--files-from-raw=-', '--ignore-times', '--no-traverse'],
        {
          input: `${fresh.join('\n')}\n`,
          lock,
          onBytes: (bytes) => {
            onBytes(arrived + bytes, total);
          },
          allowed: [noSuchFolder],
        },
      );
    missing = await notWhole(staging, manifest.files, signal);
    const [first] = missing;
    if (first === undefined || attempt < attempts) continue;
    const problem = first.isAbsent ? 'it is missing' : 'it has other content than was written';
    throw damaged(remote.shown, `${folder}/${first.file.path}`, problem);
  }
}

/** Times that files are asked for: what an interruption left may be wrong, what the remote gives twice is. */
const attempts = 2;

interface Missing {
  readonly file: ManifestFile;
  /** Bytes of it that are here, and may be its beginning. */
  readonly there: number;
  readonly isAbsent: boolean;
}

/** Files of which not all is here. Those that are wrong are removed. */
async function notWhole(
  staging: string,
  files: readonly ManifestFile[],
  signal: AbortSignal,
): Promise<readonly Missing[]> {
  const missing: Missing[] = [];
  for (const file of files) {
    signal.throwIfAborted();
    const path = join(staging, file.path);
    const hashed = await hashFile(path, { sync: true }).catch((error: unknown) => {
      const { cause = error } = error as Error;
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    });
    const bytes = hashed?.state.bytes ?? 0;
    if (hashed?.sha256 === file.sha256 && bytes === file.bytes) continue;
    const isBeginning = bytes < file.bytes;
    if (!isBeginning) await rm(path, { force: true });
    missing.push({ file, there: isBeginning ? bytes : 0, isAbsent: hashed === undefined });
  }
  return missing;
}

/** Appends what is missing of a file of which the beginning is here. */
async function continueFile(
  path: string,
  at: string,
  there: number,
  { rclone }: Remote,
  lock: FileLock,
): Promise<void> {
  const file = await openFile(path, 'a');
  try {
    await rclone.run(['cat', rclone.at(at), `--offset=${there}`], {
      output: file.fd,
      lock,
      allowed: [noSuchFolder, noSuchFile],
    });
  } finally {
    await file.close();
  }
}

/** Removes what is no file of the output, such as what rclone had begun under another name. */
async function removeOthers(staging: string, files: readonly ManifestFile[]): Promise<void> {
  const known = new Set(files.map(({ path }) => path));
  for (const entry of await readdir(staging, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const isKnown = known.has(path.slice(staging.length + 1));
    if (entry.isFile() ? !isKnown : !entry.isDirectory() || isKnown)
      await rm(path, { recursive: true, force: true });
  }
}

/** @throws UserError `disk-full` where there is no room for what is missing */
async function checkSpace(staging: string, files: readonly ManifestFile[]): Promise<void> {
  const entries = await readdir(staging, { recursive: true, withFileTypes: true });
  const sizes = entries
    .filter((entry) => entry.isFile())
    .map(async (entry) => (await stat(join(entry.parentPath, entry.name))).size);
  const there = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
  await requireSpace(
    staging,
    bytesOf({ files }) - there,
    'Free some space, or choose another folder of runs with --runs; then repeat the command.',
  );
}

/** Makes what has arrived, and was checked, an output of the store. */
async function seal(
  staging: string,
  place: OutputPlace,
  runsRoot: string,
  { manifest }: RemoteOutput,
): Promise<void> {
  const folders = new Set(manifest.files.map(({ path }) => dirname(join(staging, path))));
  for (const folder of folders) await syncFolder(folder);
  await writeFileWhole(join(staging, manifestName), formatManifest(manifest));
  await putInPlace({ ...place, partial: staging });
  // What interrupted runs left of it is needed no more.
  for (const path of [place.partial, place.session, place.failure])
    await rm(path, { recursive: true, force: true });
  const states = await Promise.all(
    manifest.files.map(async ({ path }) =>
      fileState(await stat(join(place.directory, path), { bigint: true })),
    ),
  );
  await rememberHashes(place, manifest.files, states, hashesFolder(runsRoot));
}
