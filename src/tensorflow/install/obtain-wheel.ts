import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { UserError } from '../../base/errors.js';
import { asUserError, openFile, sha256OfFile } from '../../base/files.js';
import { formatBytes } from '../../base/format.js';
import { packageIndexes } from './https.js';
import { pip } from './pip.js';
import { setupCommand } from './platform.js';
import type { UnpackedFile, Wheel } from './release.js';
import { partialName } from './wheel-source.js';
import type { FetchContext, FetchedWheel, SetupReport, WheelSource } from './wheel-source.js';

import * as yauzl from 'yauzl';

/**
 * Brings a wheel onto this disk, from the first source that has it with the recorded content.
 *
 * @throws UserError `tensorflow-download-failed`, or the context's `failure`, with what was tried and what to do.
 */
export async function obtainWheel(
  wheel: Wheel,
  context: FetchContext,
  sources = defaultSources(wheel, context),
): Promise<FetchedWheel> {
  const finished = { path: join(context.downloads, wheel.filename), ours: true };
  if (existsSync(finished.path)) {
    if (await isWheel(finished.path, wheel, context.signal)) return finished;
    await rm(finished.path);
  }
  const tried: string[] = [];
  for (const source of sources) {
    try {
      const fetched = await source.fetch(wheel, context);
      if (await isWheel(fetched.path, wheel, context.signal)) return fetched;
      if (fetched.ours) await rm(fetched.path);
      tried.push(`${source.name}: its ${wheel.filename} has another SHA-256 than the one recorded here`);
    } catch (error) {
      context.signal?.throwIfAborted();
      const mended = asUserError(error, context.downloads);
      if (mended instanceof UserError) throw mended;
      tried.push(`${source.name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw downloadFailed(wheel, context, tried);
}

/** pip knows how this machine reaches an index; but it cannot continue what is half there. */
function defaultSources(wheel: Wheel, { downloads, env }: FetchContext): WheelSource[] {
  const own = packageIndexes(env);
  const begun = existsSync(join(downloads, partialName(wheel)));
  const folder = env.PIPELINE_WHEELS ? [wheelFolder(env.PIPELINE_WHEELS)] : [];
  return [...folder, ...(begun ? [...own, pip] : [pip, ...own])];
}

async function isWheel(path: string, wheel: Wheel, signal: AbortSignal | undefined): Promise<boolean> {
  return (await sha256OfFile(path, signal)) === wheel.sha256;
}

function downloadFailed(
  wheel: Wheel,
  { downloads, command = setupCommand, failure = 'tensorflow-download-failed' }: FetchContext,
  tried: readonly string[],
): UserError {
  return new UserError({
    code: failure,
    message: [
      `${wheel.filename} (${formatBytes(wheel.bytes)}) could not be fetched into ${downloads}. Tried:`,
      ...tried.map((each) => `  - ${each}`),
    ].join('\n'),
    remedy: [
      'Do one of these:',
      `  - connect to a network and run \`${command}\` again: it continues where it stopped;`,
      `  - name an index that this machine reaches: PIP_INDEX_URL=ADDRESS ${command}`,
      `  - download the file elsewhere (https://pypi.org/project/${wheel.package}/${wheel.version}/#files), copy it into a folder`,
      `    here, and run: PIPELINE_WHEELS=FOLDER ${command}`,
    ].join('\n'),
  });
}

/** Files, of a wheel's thousands, that a program without Python needs. */
const libraries: readonly RegExp[] = [
  /^tensorflow\/libtensorflow_(?:cc|framework)\.(?:so\.2|2\.dylib)$/,
  /^nvidia\/\w+\/lib\/[^/]+\.so(?:\.\d+)*$/,
  // XLA compiles with these; TensorFlow looks for them beside itself.
  /^nvidia\/cuda_nvcc\/bin\/ptxas$/,
  /^nvidia\/cuda_nvcc\/nvvm\/libdevice\/[^/]+\.bc$/,
];

/**
 * Unpacks files of a wheel, its libraries by default, into a folder, synced to the disk, in the places they have in the
 * wheel. Memory use does not depend on their size.
 *
 * @returns what was written, with sizes and hashes. Empty when the wheel holds no such file.
 */
export async function extractFiles(
  wheel: string,
  directory: string,
  report: SetupReport,
  signal: AbortSignal | undefined,
  wanted = libraries,
): Promise<UnpackedFile[]> {
  const zip = await openZip(wheel);
  try {
    const entries = (await listEntries(zip)).filter(({ fileName }) =>
      wanted.some((pattern) => pattern.test(fileName)),
    );
    const total = entries.reduce((sum, entry) => sum + entry.uncompressedSize, 0);
    const files: UnpackedFile[] = [];
    let before = 0;
    for (const entry of entries) {
      files.push(
        await extractEntry(zip, entry, directory, signal, (bytes) => {
          report({ type: 'progress', label: 'unpacking', done: before + bytes, total });
        }),
      );
      before += entry.uncompressedSize;
    }
    return files;
  } finally {
    zip.close();
  }
}

async function extractEntry(
  zip: yauzl.ZipFile,
  entry: yauzl.Entry,
  directory: string,
  signal: AbortSignal | undefined,
  progress: (bytes: number) => void,
): Promise<UnpackedFile> {
  const path = join(directory, entry.fileName);
  await mkdir(dirname(path), { recursive: true });
  const hash = createHash('sha256');
  let bytes = 0;
  const file = await openFile(path, 'w', 0o755);
  try {
    for await (const chunk of await openEntry(zip, entry)) {
      signal?.throwIfAborted();
      const data = chunk as Uint8Array;
      hash.update(data);
      await file.writeFile(data);
      bytes += data.byteLength;
      progress(bytes);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return { path: entry.fileName, bytes, sha256: hash.digest('hex') };
}

function listEntries(zip: yauzl.ZipFile): Promise<yauzl.Entry[]> {
  return new Promise((resolve, reject) => {
    const entries: yauzl.Entry[] = [];
    zip.on('entry', (entry: yauzl.Entry) => {
      entries.push(entry);
      zip.readEntry();
    });
    zip.on('end', () => {
      resolve(entries);
    });
    zip.on('error', reject);
    zip.readEntry();
  });
}

const openWith = promisify(
  (path: string, options: yauzl.Options, done: (error: Error | null, zip: yauzl.ZipFile) => void) => {
    yauzl.open(path, options, done);
  },
);

function openZip(path: string): Promise<yauzl.ZipFile> {
  return openWith(path, { lazyEntries: true, autoClose: false });
}

function openEntry(zip: yauzl.ZipFile, entry: yauzl.Entry): Promise<Readable> {
  return promisify((done: (error: Error | null, stream: Readable) => void) => {
    zip.openReadStream(entry, done);
  })();
}

/** A folder into which someone copied the wheels: `PIPELINE_WHEELS`. They are left as they are. */
function wheelFolder(folder: string): WheelSource {
  const directory = resolve(folder);
  return {
    name: `the folder ${directory} (PIPELINE_WHEELS)`,
    fetch(wheel) {
      const path = join(directory, wheel.filename);
      return existsSync(path)
        ? Promise.resolve({ path, ours: false })
        : Promise.reject(new Error(`it has no ${wheel.filename}`));
    },
  };
}
