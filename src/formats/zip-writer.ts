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
 *
 * @param alignment bytes of which the place of every entry's content is a multiple
 */
export function writeZip(
  path: string,
  entries: Iterable<ZipEntrySource>,
  { alignment }: { readonly alignment?: number } = {},
): Promise<FileSeal> {
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
      if (alignment !== undefined) align(zip, alignment);
    }
    zip.end();
    for await (const chunk of output) await file.write(chunk as Buffer);
  });
}

/** Entry of yazl, as far as its header is concerned, which yazl asks for when it knows the entry's place. */
interface Placed {
  readonly relativeOffsetOfLocalHeader: number;
  getLocalFileHeader: () => Buffer;
}

/** Lets the content of the entry that was added last begin at a multiple of so many bytes. */
function align(zip: ZipFile, alignment: number): void {
  const entry = (zip as unknown as { readonly entries: readonly Placed[] }).entries.at(-1)!;
  const plain = entry.getLocalFileHeader.bind(entry);
  entry.getLocalFileHeader = () => {
    const header = plain();
    const end = entry.relativeOffsetOfLocalHeader + header.length + extraHead;
    const padding = Buffer.alloc(extraHead + ((alignment - (end % alignment)) % alignment), 'Z');
    padding.write('FB');
    padding.writeUInt16LE(padding.length - extraHead, 2);
    header.writeUInt16LE(padding.length, extraLengthAt);
    return Buffer.concat([header, padding]);
  };
}

/** Bytes of the kind and the length of an extra field, and where a header has the length of all of them. */
const extraHead = 4;
const extraLengthAt = 28;

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
