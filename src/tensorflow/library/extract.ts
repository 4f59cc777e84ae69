import { createHash } from 'node:crypto';
import { mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import * as yauzl from 'yauzl';
import type { UnpackedFile } from './manifest.js';
import type { SetupReport } from './setup-events.js';

/** Of a wheel's thousands of files, those that a program without Python needs. */
const wanted = [
  /^tensorflow\/libtensorflow_(?:cc|framework)\.(?:so\.2|2\.dylib)$/,
  /^nvidia\/\w+\/lib\/[^/]+\.so(?:\.\d+)*$/,
  // XLA compiles with these; TensorFlow looks for them beside itself.
  /^nvidia\/cuda_nvcc\/bin\/ptxas$/,
  /^nvidia\/cuda_nvcc\/nvvm\/libdevice\/[^/]+\.bc$/,
];

/**
 * Unpacks the libraries of a wheel into a folder, synced to the disk, in the places they have in the wheel.
 * Memory use does not depend on their size.
 *
 * @returns what was written, with sizes and hashes. Empty when the wheel holds no library.
 */
export async function extractLibraries(
  wheel: string,
  directory: string,
  report: SetupReport,
  signal: AbortSignal | undefined,
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
  const file = await open(path, 'w', 0o755);
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
