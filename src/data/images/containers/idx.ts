import { basename } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import sharp from 'sharp';
import { InputFile } from '../../../base/input-file.js';
import { badContainer, type ImageContainer } from '../container.js';

/** The IDX files of MNIST and its like, packed with gzip or not: bytes `[count, rows, columns]` and their labels. */
export const container: ImageContainer = {
  name: 'IDX',
  fileName: /(idx[13]-ubyte|\.idx)(\.gz)?$/i,
  list: async (file, { files }) => {
    if (isLabelsName(file.path) || isCopy(file.path, files)) return { images: [] };
    const { count } = shapeOf(file.path, await contentOf(file), 3);
    const labels = await labelsBeside(file.path, files, count);
    return {
      images: Array.from({ length: count }, (_, i) => ({
        name: String(i).padStart(String(count - 1).length, '0'),
        at: [i],
        className: labels && String(labels[i]),
      })),
    };
  },
  read: async (file, [index]) => {
    const content = await contentOf(file);
    const { start, rows, columns } = shapeOf(file.path, content, 3);
    const length = rows * columns;
    const pixels = content.subarray(start + index! * length, start + (index! + 1) * length);
    return sharp(pixels, { raw: { width: columns, height: rows, channels: 1 } })
      .png({ compressionLevel: 0 })
      .toBuffer();
  },
};

/** True of a packed file beside which it lies unpacked, as torchvision leaves them. */
const isCopy = (path: string, files: readonly string[]): boolean =>
  packed.test(path) && files.includes(path.replace(packed, ''));

const packed = /\.gz$/i;

const isLabelsName = (path: string): boolean => /labels?[-_.]|idx1/i.test(basename(path));

/** Labels of the images in a file: those of the file of the same name but for that part. */
async function labelsBeside(
  images: string,
  files: readonly string[],
  count: number,
): Promise<Buffer | undefined> {
  const plain = (path: string): string => path.replace(packed, '');
  const name = plain(images)
    .replace(/images/i, 'labels')
    .replace('idx3', 'idx1');
  const path = files.find((other) => plain(other) === name && other !== images);
  if (path === undefined) return undefined;
  const file = await InputFile.open(path);
  try {
    const content = await contentOf(file);
    const { start, count: labelled } = shapeOf(path, content, 1);
    if (labelled !== count) throw badContainer(path, `it has ${labelled} labels for ${count} images`);
    return content.subarray(start);
  } finally {
    await file.close();
  }
}

/** All of each open file: of these sets the largest has 60 MB. */
const contents = new WeakMap<InputFile, Promise<Buffer>>();

function contentOf(file: InputFile): Promise<Buffer> {
  let content = contents.get(file);
  if (content === undefined) {
    content = readAll(file);
    contents.set(file, content);
  }
  return content;
}

const mostBytes = 2 ** 30;
const unpack = promisify(gunzip);

async function readAll(file: InputFile): Promise<Buffer> {
  if (file.bytes > mostBytes)
    throw badContainer(file.path, `expected at most ${mostBytes} bytes, found ${file.bytes}`);
  const bytes = Buffer.alloc(file.bytes);
  await file.read(bytes, 0);
  if (bytes.toString('hex', 0, 2) !== '1f8b') return bytes;
  return unpack(bytes, { maxOutputLength: mostBytes }).catch((error: unknown) => {
    throw badContainer(file.path, `it cannot be unpacked: ${(error as Error).message}`, error);
  });
}

function shapeOf(path: string, content: Buffer, dimensions: 1 | 3) {
  const start = 4 + 4 * dimensions;
  const magic = content.length < start ? undefined : content.readUInt32BE(0);
  if (magic !== 0x800 + dimensions)
    throw badContainer(
      path,
      `not an IDX file of bytes with ${dimensions} dimensions: it begins with other numbers`,
    );
  const sizes = Array.from({ length: dimensions }, (_, i) => content.readUInt32BE(4 + 4 * i));
  const [count = 0, rows = 1, columns = 1] = sizes;
  const expected = start + count * rows * columns;
  if (rows === 0 || columns === 0 || content.length !== expected)
    throw badContainer(
      path,
      `its header announces ${sizes.join(' × ')} bytes, ${expected} with it, and there are ${content.length}`,
    );
  return { start, count, rows, columns };
}
