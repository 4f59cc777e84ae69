import { PassThrough, Readable } from 'node:stream';
import { ZipFile } from 'yazl';
import { type FileSeal, writeOutputFile } from '../base/output-file.js';

/** A file to put into an archive. `content` is called when its turn comes and gives exactly `bytes` bytes. */
export interface ZipEntrySource {
  readonly name: string;
  readonly bytes: number;
  readonly content: () => Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

/**
 * Writes a zip archive whole or not at all, its entries stored uncompressed; beyond 4 GiB in the zip64 format.
 * The same entries give the same bytes: their date is always 1980.
 */
export function writeZip(path: string, entries: Iterable<ZipEntrySource>): Promise<FileSeal> {
  return writeOutputFile(path, async (file) => {
    const zip = new ZipFile();
    const output = zip.outputStream.pipe(new PassThrough());
    const fail = (error: Error): void => {
      output.destroy(error);
    };
    zip.on('error', fail);
    for (const { name, bytes, content } of entries) {
      zip.addReadStreamLazy(name, { ...always, size: bytes }, (use) => {
        use(undefined, Readable.from(inPieces(content()), { objectMode: false }).on('error', fail));
      });
    }
    zip.end();
    for await (const chunk of output) await file.write(chunk as Buffer);
  });
}

const always = {
  compress: false,
  mtime: new Date(1980, 0, 1),
  forceDosTimestamp: true,
  mode: 0o100644,
};

const pieceBytes = 1 << 20;

async function* inPieces(
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.byteLength; at += pieceBytes) yield chunk.subarray(at, at + pieceBytes);
  }
}
