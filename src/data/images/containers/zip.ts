import { promisify } from 'node:util';
import { crc32, inflateRaw } from 'node:zlib';
import { type Entry, fromFdPromise } from 'yauzl';
import { UserError } from '../../../base/errors.js';
import { asUserError } from '../../../base/files.js';
import type { InputFile } from '../../../base/input-file.js';
import { badContainer, type ContainedImage, type ImageContainer } from '../container.js';
import { isImageName, passOver } from '../formats.js';

/** Zip archives, with the labels of `dataset.json` as EDM and StyleGAN write it. */
export const container: ImageContainer = {
  name: 'zip',
  fileName: /\.zip$/i,
  list: async (file) => {
    try {
      const { images, passedOver, labels } = await listEntries(file);
      const named = labels && (await labelsIn(file, labels));
      return {
        images: named ? images.map((image) => ({ ...image, className: named.get(image.name) })) : images,
        passedOver,
      };
    } catch (error) {
      const known = asUserError(error, file.path);
      throw known instanceof UserError ? known : badZip(file, (error as Error).message, error);
    }
  },
  read: readEntry,
};

/** Entries that hold images, or others that are wanted, each with what finds it; and the place of `dataset.json`. */
export async function listEntries(file: InputFile, isWanted: (name: string) => boolean = isImageName) {
  const zip = await fromFdPromise(file.handle.fd, { autoClose: false, lazyEntries: true });
  const images: ContainedImage[] = [];
  const passedOver = new Map<string, number>();
  let labels: readonly number[] | undefined;
  for await (const entry of zip.eachEntry() as AsyncIterable<Entry>) {
    const { fileName: name, compressionMethod, generalPurposeBitFlag: flags } = entry;
    const at = [
      entry.relativeOffsetOfLocalHeader,
      entry.compressedSize,
      entry.uncompressedSize,
      compressionMethod,
      entry.crc32,
    ];
    if (name === 'dataset.json') labels = at;
    else if (name.endsWith('/')) continue;
    else if (!isWanted(name)) passOver(passedOver, name);
    else if ((flags & 1) !== 0) throw badZip(file, `its entry ${name} is encrypted`);
    else if (compressionMethod !== 0 && compressionMethod !== 8)
      throw badZip(file, `its entry ${name} is packed by method ${compressionMethod}, not by "deflate"`);
    else images.push({ name, at });
  }
  await file.mustBeUntouched();
  return { images, passedOver, labels };
}

/** Class of each image by name, by the archive's `dataset.json`; undefined where it says that there are none. */
export async function labelsIn(
  file: InputFile,
  at: readonly number[],
): Promise<ReadonlyMap<string, string> | undefined> {
  return labelsFrom(file.path, await readEntry(file, at));
}

/** Labels in the content of a `dataset.json`, as `labelsIn` gives them. @throws UserError `container-invalid` */
export function labelsFrom(path: string, content: Buffer): ReadonlyMap<string, string> | undefined {
  let labels: unknown;
  try {
    labels = (JSON.parse(content.toString('utf8')) as { labels?: unknown } | null)?.labels;
  } catch (error) {
    throw badContainer(path, `its dataset.json is not valid JSON: ${(error as Error).message}`, error);
  }
  if (labels === null || labels === undefined) return undefined;
  const isPair = (pair: unknown): pair is [string, number | string] =>
    Array.isArray(pair) && typeof pair[0] === 'string' && ['number', 'string'].includes(typeof pair[1]);
  if (!Array.isArray(labels) || !labels.every(isPair))
    throw badContainer(path, 'the labels in its dataset.json are not pairs of an image and a class');
  return new Map(labels.map(([name, label]) => [name, String(label)]));
}

const localHeader = 30;
const inflate = promisify(inflateRaw);

/** Content of an entry at the place that `listEntries` gave, its checksum checked. */
export async function readEntry(file: InputFile, at: readonly number[]): Promise<Buffer> {
  const [offset, packed, size, method, checksum] = at as [number, number, number, number, number];
  const header = Buffer.alloc(localHeader);
  const here = `the entry at byte ${offset}`;
  if (offset + localHeader + packed > file.bytes) throw badZip(file, `cut off in ${here}`);
  await file.read(header, offset);
  if (header.readUInt32LE(0) !== 0x04034b50) throw badZip(file, `${here} is not there`);
  const start = offset + localHeader + header.readUInt16LE(26) + header.readUInt16LE(28);
  if (start + packed > file.bytes) throw badZip(file, `cut off in ${here}`);
  const content = Buffer.allocUnsafeSlow(packed);
  await file.read(content, start);
  const bytes =
    method === 0
      ? content
      : await unpack(content, size).catch((error: unknown) => {
          throw badZip(file, `${here} cannot be unpacked`, error);
        });
  if (bytes.length !== size || crc32(bytes) !== checksum)
    throw badZip(file, `${here} is damaged: its checksum is not the one recorded`);
  return bytes;
}

const unpack = (content: Buffer, size: number): Promise<Buffer> =>
  inflate(content, { maxOutputLength: Math.max(1, size) });

function badZip({ path }: InputFile, problem: string, cause?: unknown): UserError {
  return badContainer(path, `not a valid zip archive: ${problem.replace(/\.$/, '')}`, cause);
}
