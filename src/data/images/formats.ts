import { isPipelineFileName, isUnseen } from '../../base/file-names.js';

/** A format of image files, known by its first bytes. */
interface Format {
  readonly name: string;
  /** Beginning of its files, as Latin-1. */
  readonly beginning: RegExp;
  /** Endings of its files' names; none where it is not read. */
  readonly endings?: readonly string[];
}

/** Formats that are read, and then those that are only known by name. The first that matches counts. */
const formats = [
  { name: 'PNG', beginning: /^\x89PNG\r\n/, endings: ['png', 'apng'] },
  { name: 'JPEG', beginning: /^\xff\xd8\xff/, endings: ['jpg', 'jpeg', 'jpe', 'jfif'] },
  { name: 'WebP', beginning: /^RIFF[^]{4}WEBP/, endings: ['webp'] },
  { name: 'GIF', beginning: /^GIF8[79]a/, endings: ['gif'] },
  { name: 'TIFF', beginning: /^(II[*+]\0|MM\0[*+])/, endings: ['tif', 'tiff'] },
  { name: 'AVIF', beginning: /^[^]{4}ftyp([^]{4})*?avi[fs]/, endings: ['avif'] },
  { name: 'BMP', beginning: /^BM[^]{12}[\f-|]\0\0\0/, endings: ['bmp', 'dib'] },
  { name: 'PPM', beginning: /^P[1-6][\s#]/, endings: ['ppm', 'pgm', 'pbm', 'pnm'] },
  { name: 'HEIC', beginning: /^[^]{4}ftyp([^]{4})*?he[iv][cmsx]/ },
  { name: 'HEIF', beginning: /^[^]{4}ftypm[is][fs]1/ },
  { name: 'JPEG 2000', beginning: /^(\0\0\0\fjP {2}|\xff\x4f\xff\x51)/ },
  { name: 'JPEG XL', beginning: /^(\xff\n|\0\0\0\fJXL )/ },
  { name: 'Photoshop', beginning: /^8BPS/ },
  { name: 'OpenEXR', beginning: /^v\/1/ },
  { name: 'PDF', beginning: /^%PDF/ },
  { name: 'SVG', beginning: /^\s*(<\?xml[^>]*>\s*)?<svg/ },
  { name: 'a web page', beginning: /^\s*<(!doctype )?html/i },
  { name: 'a pointer of Git LFS (`git lfs pull` brings the file)', beginning: /^version https:\/\/git-lfs/ },
] as const satisfies readonly Format[];

type Known = (typeof formats)[number];

/** Name of a format that is read. */
export type FormatName = Extract<Known, { endings: unknown }>['name'];

const read = formats.filter((format): format is Extract<Known, { endings: unknown }> => 'endings' in format);

/** Names of the formats that are read, for messages. */
export const readFormats = `${read
  .slice(0, -1)
  .map(({ name }) => name)
  .join(', ')} or ${read.at(-1)!.name}`;

/** Bytes that tell the format of a file. */
const tellingBytes = 64;

/** Tells what the content of a file is: a format that is read, or else the name of what it is, where that is known. */
export function formatOf(file: Buffer): { readonly read?: FormatName; readonly known?: string } {
  const beginning = file.toString('latin1', 0, tellingBytes);
  const format = formats.find((each) => each.beginning.test(beginning));
  if (format === undefined) return {};
  return 'endings' in format ? { read: format.name } : { known: format.name };
}

/** True for a JPEG file that its decoder makes RGB of: not CMYK, which Pillow converts in its own way. */
export function isPlainJpeg(file: Buffer): boolean {
  return formatOf(file).read === 'JPEG' && !hasFourColours(file);
}

/** True for a JPEG file of CMYK or YCCK, by the header of its frame. */
export function hasFourColours(file: Buffer): boolean {
  return jpegFrame(file)?.colours === 4;
}

/** Header of a JPEG file's frame. */
interface JpegFrame {
  readonly width: number;
  readonly height: number;
  readonly colours: number;
  /** True where its blocks come one after the other, each whole, as Huffman codes of 8-bit numbers. */
  readonly isBaseline: boolean;
}

/** Finds the header of a JPEG file's frame. */
export function jpegFrame(file: Buffer): JpegFrame | undefined {
  for (let at = 2; at + 10 < file.length;) {
    if (file[at] !== 0xff) at++;
    else {
      const marker = file[at + 1]!;
      const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
      if (isFrame)
        return {
          width: file.readUInt16BE(at + 7),
          height: file.readUInt16BE(at + 5),
          colours: file[at + 9]!,
          isBaseline: marker === 0xc0,
        };
      // Fill bytes and markers that have no length.
      if (marker === 0xff) at++;
      else if (marker < 0xc0 || (marker >= 0xd0 && marker <= 0xd8)) at += 2;
      else at += 2 + file.readUInt16BE(at + 2);
    }
  }
  return undefined;
}

/**
 * True for a TIFF file of luma and chroma that are not packed as JPEG, which libvips takes for red, green and blue: by the
 * tags of its first page.
 */
export function isPlainYccTiff(file: Buffer): boolean {
  const tags = tiffTags(file);
  return tags.get(262) === 6 && ![6, 7].includes(tags.get(259) ?? 1);
}

/** Numbers of the first page of a TIFF file by their tags, of those that are one number of two or four bytes. */
function tiffTags(file: Buffer): ReadonlyMap<number, number> {
  const isLittle = file[0] === 0x49;
  const short = (at: number) => (isLittle ? file.readUInt16LE(at) : file.readUInt16BE(at));
  const long = (at: number) => (isLittle ? file.readUInt32LE(at) : file.readUInt32BE(at));
  const tags = new Map<number, number>();
  const isBig = file.length > 16 && short(2) === 43;
  // Pages of more than 4 GiB in are left to the decoder.
  const start = isBig ? long(isLittle ? 8 : 12) : file.length < 8 ? 0 : long(4);
  const [head, each, value] = isBig ? [8, 20, 12] : [2, 12, 8];
  if (start < 8 || start + head > file.length) return tags;
  const count = isBig ? long(start + (isLittle ? 0 : 4)) : short(start);
  for (let i = 0; i < count; i++) {
    const at = start + head + i * each;
    if (at + each > file.length) break;
    const type = short(at + 2);
    if (type === 3) tags.set(short(at), short(at + value));
    if (type === 4) tags.set(short(at), long(at + value));
  }
  return tags;
}

/** True for an AVIF file that stores colour at half the resolution, by the configuration of its codec. */
export function hasHalfChroma(file: Buffer): boolean {
  const at = file.subarray(0, 1 << 16).indexOf('av1C');
  const flags = at < 0 ? 0 : (file[at + 6] ?? 0);
  const isGrey = (flags & 0x10) !== 0;
  return !isGrey && (flags & 0x0c) !== 0;
}

/** Number of files that were passed over, by the ending of their names, such as `.txt`; none under ``. */
export type PassedOver = ReadonlyMap<string, number>;

/** Counts a file that is passed over, unless nobody would look for it among the images. */
export function passOver(counts: Map<string, number>, path: string): void {
  if (isUnseen(path) || isPipelineFileName(path)) return;
  const ending = /\.[a-z][a-z0-9]{0,9}$/i.exec(path)?.[0].toLowerCase() ?? '';
  counts.set(ending, (counts.get(ending) ?? 0) + 1);
}

const imageName = new RegExp(`\\.(${read.flatMap(({ endings }) => endings).join('|')})$`, 'i');

const jpegName = new RegExp(`\\.(${formats[1].endings.join('|')})$`, 'i');

/** True for a name that JPEG files have. */
export function isJpegName(name: string): boolean {
  return jpegName.test(name);
}

/** True for the path or name of an image that is read; false where a part of it is hidden or litter. */
export function isImageName(name: string): boolean {
  return imageName.test(name) && !isUnseen(name);
}
