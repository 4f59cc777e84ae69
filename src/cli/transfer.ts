import { readdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { makeFolder } from '../base/files.js';
import { formatBytes } from '../base/format.js';
import { checkFree, type FileSeal, writeOutputFolder } from '../base/output-file.js';
import { isAbortError } from '../base/streams.js';
import { ProgressMeter } from '../runner/runs/progress-meter.js';
import type { StageProgress } from '../runner/stage.js';
import { paceFacts, position } from './renderers/sentences.js';
import { exitCodes, onInterrupt, say, type Services, shortPath } from './services.js';

export interface TransferOptions {
  readonly force?: boolean;
  readonly json?: boolean;
}

/** Hooks of a conversion of weights: progress, and when to stop. */
export interface Work {
  readonly tell: (done: number, total: number) => void;
  readonly onDownload: (file: string, done: number, total: number) => void;
  readonly signal: AbortSignal;
}

/** Result of a conversion. */
interface Transferred {
  readonly kind: 'model' | 'autoencoder';
  /** Absolute path. */
  readonly path: string;
  readonly bytes: number;
  /** Hash of a file. */
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
  services: Services,
  convert: (work: Work) => Promise<Transferred>,
): Promise<number> {
  await checkFree(resolve(target), { replace: force, marks });
  const progress = progressLine(services.stderr);
  const made = await interruptible('nothing was written', services, async (signal) => {
    try {
      return await convert({
        signal,
        tell: (done, total) => {
          progress.show({ done, total, unit: 'tensors' });
        },
        onDownload: (_, done, total) => {
          progress.showBytes(done, total);
        },
      });
    } finally {
      progress.end();
    }
  });
  if (typeof made === 'number') return made;
  const { kind, path, bytes } = made;
  say(
    services.stdout,
    json === true ? `${JSON.stringify(made)}\n` : `${shortPath(path)}: ${kind}, ${formatBytes(bytes)}\n`,
  );
  return exitCodes.done;
}

/**
 * Does work until it is done or interrupted. Gives its result, or the exit code.
 *
 * @param left clause on what an interruption leaves
 */
export async function interruptible<Result>(
  left: string,
  { stderr, forceExit }: Services,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result | typeof exitCodes.interrupted> {
  const interrupts = onInterrupt(() => undefined, forceExit);
  try {
    return await work(interrupts.signal);
  } catch (error) {
    if (!interrupts.signal.aborted || !isAbortError(error)) throw error;
    say(stderr, `Interrupted: ${left}.\n`);
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

const everySeconds = 0.2;
const plainEverySeconds = 10;

/**
 * Shows how far one piece of work is on stderr: as a line that is rewritten on a terminal, as a line now and then
 * elsewhere. Gives what to call with progress, and what to call at the end.
 */
export function progressLine(
  stderr: NodeJS.WriteStream,
  clock: () => number = () => performance.now() / 1000,
): {
  readonly show: (progress: Omit<StageProgress, 'type'>) => void;
  readonly showBytes: (done: number, total: number) => void;
  readonly end: () => void;
} {
  const meter = new ProgressMeter();
  const every = stderr.isTTY ? everySeconds : plainEverySeconds;
  let last = clock() - (stderr.isTTY ? every : 0);
  let isDrawn = false;
  const show = (progress: Omit<StageProgress, 'type'>): void => {
    const event: StageProgress = { type: 'progress', ...progress };
    meter.add(event, clock());
    if (clock() - last < every) return;
    last = clock();
    const text = [position(event), ...paceFacts(meter.pace, event)].join(', ');
    stderr.write(stderr.isTTY ? `\r\u001B[K${text.slice(0, stderr.columns - 1)}` : `${text}\n`);
    isDrawn = stderr.isTTY;
  };
  return {
    show,
    showBytes: (done, total) => {
      show({
        done: Math.floor(done / bytesPerMegabyte),
        total: Math.ceil(total / bytesPerMegabyte),
        unit: 'MB',
      });
    },
    end: () => {
      if (isDrawn) stderr.write('\r\u001B[K');
    },
  };
}
