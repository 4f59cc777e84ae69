import { readdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { FileSeal } from '../files/output-file.js';
import { checkFree, writeOutputFolder } from '../files/output-folder.js';
import { makeFolder } from '../files/make-folder.js';
import { isAbortError } from '../streams/index.js';
import { formatBytes } from '../tensorflow/library/format-bytes.js';
import { onInterrupt } from './interrupts.js';
import { shortPath } from './paths.js';
import { exitCodes, type Services } from './services.js';
import { progressLine } from './transfer-progress.js';

export interface TransferOptions {
  readonly force?: boolean;
  readonly json?: boolean;
}

/** What converting weights is given to tell how far it is, and when to stop. */
export interface Work {
  readonly tell: (done: number, total: number) => void;
  readonly onDownload: (file: string, done: number, total: number) => void;
  readonly signal: AbortSignal;
}

/** What was made. */
export interface Transferred {
  readonly kind: 'model' | 'autoencoder';
  /** Absolute path. */
  readonly path: string;
  readonly bytes: number;
  /** Of a file. */
  readonly sha256?: string;
}

const bytesPerMegabyte = 1e6;

/**
 * Does a conversion to a file or folder with progress and interrupts, and says what was made. Gives the exit code.
 *
 * @throws UserError `output-exists`, before anything is read
 */
export async function transfer(
  target: string,
  { json, force = false }: TransferOptions,
  { stdout, stderr, forceExit }: Services,
  convert: (work: Work) => Promise<Transferred>,
): Promise<number> {
  await checkFree(resolve(target), { replace: force, marks });
  const progress = progressLine(stderr);
  const interrupts = onInterrupt(() => undefined, forceExit);
  try {
    const made = await convert({
      signal: interrupts.signal,
      tell: (done, total) => {
        progress.show({ done, total, unit: 'tensors' });
      },
      onDownload: (_, done, total) => {
        progress.show({
          done: Math.floor(done / bytesPerMegabyte),
          total: Math.ceil(total / bytesPerMegabyte),
          unit: 'MB',
        });
      },
    });
    progress.end();
    const { kind, path, bytes } = made;
    stdout.write(
      json === true ? `${JSON.stringify(made)}\n` : `${shortPath(path)}: ${kind}, ${formatBytes(bytes)}\n`,
    );
    return exitCodes.done;
  } catch (error) {
    progress.end();
    if (!interrupts.signal.aborted || !isAbortError(error)) throw error;
    stderr.write('Interrupted: nothing was written.\n');
    return exitCodes.interrupted;
  } finally {
    interrupts.release();
  }
}

/** Files that tell a folder of weights from any other. */
const marks = ['model.json', 'autoencoder.json', 'config.json'];

/** Writes a folder of weights whole or not at all. @throws UserError `output-exists` */
export async function writeFolder(
  target: string,
  { force = false }: TransferOptions,
  kind: Transferred['kind'],
  fill: (directory: string) => Promise<void>,
): Promise<Transferred> {
  const path = resolve(target);
  await writeOutputFolder(path, { replace: force, marks }, fill);
  const sizes = (await readdir(path)).map(async (name) => (await stat(join(path, name))).size);
  return { kind, path, bytes: (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0) };
}

/** Writes a file of weights whole or not at all. @throws UserError `output-exists` */
export async function writeFile(
  target: string,
  { force = false }: TransferOptions,
  kind: Transferred['kind'],
  write: (path: string) => Promise<FileSeal>,
): Promise<Transferred> {
  const path = resolve(target);
  await checkFree(path, { replace: force, marks: [] });
  makeFolder(dirname(path));
  return { kind, path, ...(await write(path)) };
}
