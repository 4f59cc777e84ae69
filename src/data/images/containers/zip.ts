import { posix } from 'node:path';
import { promisify } from 'node:util';
import { crc32, inflateRaw } from 'node:zlib';
import { type Entry, fromFdPromise } from 'yauzl';
import { UserError } from '../../../base/errors.js';
import { isUnseen } from '../../../base/file-names.js';
import { asUserError } from '../../../base/files.js';
import { formatCount } from '../../../base/format.js';
import type { InputFile } from '../../../base/input-file.js';
import { badContainer, type ContainedImage, type ImageContainer, labelType } from '../container.js';
import { isImageName, passOver } from '../formats.js';

/** Zip archives, with the labels of `dataset.json` as EDM and StyleGAN write it. */
export const container: ImageContainer = {
  name: 'zip',
  fileName: /\.zip$/i,
  list: async (file, { withoutClasses = false }) => {
    try {
      const { images, passedOver, labels } = await listEntries(file);
      const named = withoutClasses ? undefined : labels && (await labelsIn(file, labels));
      if (named === 'none') throw withoutLabels(file);
      if (named === undefined) return { images, passedOver };
      const labelled = images.map((image) => ({ ...image, className: named.get(image.name)?.toString() }));
      const there = new Set(images.map(({ name }) => name));
      const absent = [...named.keys()].filter((name) => !there.has(name));
      if (absent.length > 0 && absent.length === named.size)
        throw badContainer(
          file.path,
          `none of the ${formatCount(absent.length)} images that its ${labelsName} names is in it, such as ${absent[0]!}; ${images[0]?.name ?? 'no image'} is`,
        );
      return {
        images: labelled,
        passedOver,
        oddities: new Map(absent.length > 0 ? [[withoutImage, absent]] : []),
        labelTypes: new Set(Array.from(named.values(), labelType)),
      };
    } catch (error) {
      const known = asUserError(error, file.path);
      throw known instanceof UserError ? known : badZip(file, (error as Error).message, error);
    }
  },
  read: readEntry,
};

const withoutImage = 'Labels of images that are not in the file';

/** Its folders are parts of the set then, of a thousand images each. */
function withoutLabels({ path }: InputFile): UserError {
  return new UserError({
    code: 'images-not-in-class-folders',
    message: `${path}: its ${labelsName} says that its images have no classes.`,
    remedy: 'Set `labels: none` to train without classes, or name a labels file in `labels`.',
  });
}

/** Place of a `dataset.json`, and the folder that its names are below: empty, or with `/` at its end. */
interface LabelsPlace {
  readonly at: readonly number[];
  readonly folder: string;
}

/** Entries that hold images, or others that are wanted, each with what finds it; and the uppermost `dataset.json`. */
export async function listEntries(file: InputFile, isWanted: (name: string) => boolean = isImageName) {
  const zip = await fromFdPromise(file.handle.fd, { autoClose: false, lazyEntries: true });
  const images: ContainedImage[] = [];
  const passedOver = new Map<string, number>();
  let labels: LabelsPlace | undefined;
  for await (const entry of zip.eachEntry() as AsyncIterable<Entry>) {
    const { fileName: name, compressionMethod, generalPurposeBitFlag: flags } = entry;
    const at = [
      entry.relativeOffsetOfLocalHeader,
      entry.compressedSize,
      entry.uncompressedSize,
      compressionMethod,
      entry.crc32,
    ];
    if (posix.basename(name) === labelsName && !isUnseen(name)) {
      const folder = name.slice(0, -labelsName.length);
      if (labels === undefined || folder.length < labels.folder.length) labels = { at, folder };
    } else if (name.endsWith('/')) continue;
    else if (!isWanted(name)) passOver(passedOver, name);
    else if ((flags & 1) !== 0) throw badZip(file, `its entry ${name} is encrypted`);
    else if (compressionMethod !== 0 && compressionMethod !== 8)
      throw badZip(file, `its entry ${name} is packed by method ${compressionMethod}, not by "deflate"`);
    else images.push({ name, at });
  }
  await file.mustBeUntouched();
  return { images, passedOver, labels };
}

const labelsName = 'dataset.json';

/** Class of each image by name; `none` where a file says that there are no classes, undefined where it says nothing of them. */
export type NamedLabels = ReadonlyMap<string, string | number> | 'none' | undefined;

/** Labels by the archive's `dataset.json`. */
export async function labelsIn(file: InputFile, { at, folder }: LabelsPlace): Promise<NamedLabels> {
  return labelsFrom(file.path, await readEntry(file, at), folder);
}

/**
 * Labels in the content of a `dataset.json`.
 *
 * @param folder before the names that it has
 * @throws UserError `container-invalid`
 */
export function labelsFrom(path: string, content: Buffer, folder = ''): NamedLabels {
  let labels: unknown;
  try {
    labels = (JSON.parse(content.toString('utf8')) as { labels?: unknown } | null)?.labels;
  } catch (error) {
    throw badContainer(path, `its dataset.json is not valid JSON: ${(error as Error).message}`, error);
  }
  if (labels === undefined) return undefined;
  if (labels === null || (Array.isArray(labels) && labels.length === 0)) return 'none';
  const isPair = (pair: unknown): pair is [string, number | string] =>
    Array.isArray(pair) && typeof pair[0] === 'string' && ['number', 'string'].includes(typeof pair[1]);
  if (!Array.isArray(labels) || !labels.every(isPair))
    throw badContainer(path, 'the labels in its dataset.json are not pairs of an image and a class');
  const named = new Map<string, string | number>();
  for (const [name, label] of labels) {
    const before = named.get(folder + name);
    if (before !== undefined && String(before) !== String(label))
      throw badContainer(
        path,
        `its dataset.json has the image ${name} in the classes ${before} and ${label}`,
      );
    named.set(folder + name, label);
  }
  return named;
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
