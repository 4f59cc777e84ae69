import { closeSync, readSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../base/errors.js';
import { openFileSync, readWholeTextSync } from '../base/files.js';
import { nativeInterface } from '../base/native-interface.js';
import { cApi, type Pointer } from './c-api.js';

/**
 * Makes this process's TensorFlow server listen on a socket in the current folder in place of a port, and look for the
 * others' there: only who may enter the folder reaches them. It does so for ever, as servers cannot be stopped.
 *
 * TensorFlow itself can only listen on all interfaces, and asks nobody who calls: it puts `0.0.0.0:` before its port and
 * `dns:///` before the others' addresses, and gives both to gRPC, which knows sockets too (`unix:`). So the two texts are
 * exchanged for others as long, in this process's memory. A server's port is then 1, which is what gRPC says of sockets.
 * Source: GrpcServer::Init in grpc_server_lib.cc, NewHostPortGrpcChannel in grpc_channel.cc.
 *
 * @throws UserError `workers-exposed` where the library does not have them as we know them
 */
export function exchangeBySockets(rank: number): void {
  const server = `unix:${socketName(rank).slice(0, -1)}`;
  const texts = new Map([
    ['0.0.0.0:', server],
    ['dns:///', 'unix:./'],
  ]);
  const places = constantsOf(realpathSync(cApi().location.cc), [...texts.keys()]);
  if (places === undefined) throw exposed();
  const koffi = nativeInterface();
  const libc = koffi.load('libc.so.6');
  const protect = libc.func('int mprotect(void*, size_t, int)');
  const pageBytes = BigInt((libc.func('int getpagesize()') as () => number)());
  for (const [i, text] of [...texts.values()].entries())
    for (const address of places[i]!) {
      const page = address - (address % pageBytes);
      const bytes = Number(address - page) + text.length;
      if (protect(page, bytes, readable | writable) !== 0) throw exposed();
      cApi().memcpy(address, Buffer.from(text), text.length);
      protect(page, bytes, readable);
    }
}

const readable = 1;
const writable = 2;

/** Name of a worker's socket: an address with a port, as TensorFlow wants it, of a length that all have. */
function socketName(rank: number): string {
  return `${rank.toString(36).padStart(2, '0')}:1`;
}

/** The sockets of a group of workers in a folder, by rank: up to 1,296 have names. */
export function socketAddresses(folder: string, size: number): string[] {
  return Array.from({ length: size }, (_, rank) => join(folder, socketName(rank)));
}

/** The error of a library whose servers cannot be kept from others. */
export function exposed(): UserError {
  return new UserError({
    code: 'workers-exposed',
    message: `The TensorFlow library in ${cApi().location.directory} cannot keep the workers' exchange to this machine and user: anybody who reaches their ports could run code as you.`,
    remedy:
      'Use the library that `npm run setup` installs on Linux, or `runtime.workers: 1`. On a trusted network, TF_CONFIG with an address for each process works without it.',
  });
}

const chunkBytes = 2 ** 22;

/**
 * Finds constant texts of a loaded library in memory; undefined where one is missing. They are looked for in its file:
 * touching all of its memory would take as much.
 */
function constantsOf(path: string, texts: readonly string[]): Pointer[][] | undefined {
  const needles = texts.map((text) => Buffer.from(`\0${text}\0`));
  const found = texts.map((): Pointer[] => []);
  const chunk = Buffer.alloc(chunkBytes);
  const file = openFileSync(path);
  try {
    for (const { start, offset, bytes } of readOnlyParts(path))
      for (let from = 0; from < bytes; from += chunkBytes - 16) {
        const part = chunk.subarray(
          0,
          readSync(file, chunk, 0, Math.min(chunkBytes, bytes - from), offset + from),
        );
        for (const [i, needle] of needles.entries())
          for (let at = part.indexOf(needle); at >= 0; at = part.indexOf(needle, at + 1)) {
            const address = start + BigInt(from + at + 1);
            if (!found[i]!.includes(address)) found[i]!.push(address);
          }
      }
  } finally {
    closeSync(file);
  }
  return found.some(({ length }) => length === 0) ? undefined : found;
}

interface Part {
  readonly start: bigint;
  readonly offset: number;
  readonly bytes: number;
}

/** The parts of a file that are mapped for reading only. */
function readOnlyParts(path: string): Part[] {
  if (process.platform !== 'linux') return [];
  return readWholeTextSync('/proc/self/maps')
    .split('\n')
    .filter((line) => line.endsWith(` ${path}`))
    .flatMap((line) => {
      const match = /^([\da-f]+)-([\da-f]+) r--p ([\da-f]+) /.exec(line);
      if (match === null) return [];
      const [start, end] = [BigInt(`0x${match[1]!}`), BigInt(`0x${match[2]!}`)];
      return [{ start, offset: parseInt(match[3]!, 16), bytes: Number(end - start) }];
    });
}
