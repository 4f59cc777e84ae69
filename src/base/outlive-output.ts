import { closeSync } from 'node:fs';
import { isatty } from 'node:tty';

/** Errors of output that nobody is there to miss: the reader of a pipe, or the terminal, has gone away. */
const unread = new Set(['EPIPE', 'EIO']);

/**
 * Lets the process outlive its output: what cannot be printed is dropped, whether nobody reads any more, the terminal was
 * closed or the disk is full. The process neither ends nor fails by it.
 *
 * @returns what tells why something was dropped that may be missed, such as on a full disk
 */
export function outliveOutput(
  streams: readonly NodeJS.WriteStream[] = [process.stdout, process.stderr],
): () => NodeJS.ErrnoException | undefined {
  let missed: NodeJS.ErrnoException | undefined;
  const terminals = [0, 1, 2].filter((descriptor) => isatty(descriptor));
  // Node sets terminals back as it ends, and aborts (SIGABRT, SIGSEGV) where one is gone; not where it was closed before.
  process.on('exit', () => {
    for (const descriptor of terminals) if (!isatty(descriptor)) closeSync(descriptor);
  });
  for (const stream of streams)
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (!unread.has(error.code ?? '')) missed ??= error;
    });
  return () => missed;
}

/**
 * Lets the process live where an address space that is limited (`ulimit -v`) has no room for the parser that Node's HTTP
 * client prepares in WebAssembly as it loads, though nothing may ever be fetched: who fetches is told.
 */
export function outliveMissingParser(): void {
  process.on('unhandledRejection', (error: unknown) => {
    if (!(error instanceof RangeError && noRoom.test(error.message))) throw error;
  });
}

const noRoom = /^WebAssembly.*Out of memory/;
