import sharp from 'sharp';
import { type FormatName, formatOf, hasHalfChroma } from './formats.js';

/** Properties of an image file as it is stored. */
export interface FileFacts {
  readonly format: FormatName;
  /** Kind of its colours, such as `RGB` or `CMYK`. */
  readonly colours: string;
  readonly hasAlpha?: true;
  /** True where its EXIF data say that it is to be turned or mirrored. */
  readonly isTurned?: true;
  /** True where it has frames or pages after the first. */
  readonly isSeveral?: true;
}

/** Ending of the kind of colours that are stored at half the resolution, and that Pillow enlarges otherwise. */
export const halfChroma = ', colour at half the resolution';

const spaces: Readonly<Record<string, string | undefined>> = {
  srgb: 'RGB',
  rgb: 'RGB',
  rgb16: 'RGB',
  'b-w': 'grey',
  grey16: 'grey',
  cmyk: 'CMYK',
  lab: 'Lab',
};

/** Tells the properties of a file that can be decoded. */
export async function factsOfFile(file: Buffer): Promise<FileFacts> {
  const format = formatOf(file).read!;
  if (format === 'PPM')
    return { format, colours: /^P[36]/.test(file.toString('latin1', 0, 2)) ? 'RGB' : 'grey' };
  if (format === 'BMP')
    return { format, colours: file.readUInt16LE(file[14] === 12 ? 24 : 28) <= 8 ? 'palette' : 'RGB' };
  const { space, depth, hasAlpha, orientation, pages, isPalette } = await sharp(file).metadata();
  const isDeep = depth !== 'uchar';
  const name = isPalette ? 'palette' : (spaces[space] ?? space);
  return {
    format,
    colours: `${name}${isDeep ? ', more than 8 bits' : ''}${format === 'AVIF' && hasHalfChroma(file) ? halfChroma : ''}`,
    ...(hasAlpha && { hasAlpha }),
    ...(orientation !== undefined && orientation > 1 && orientation <= 8 && { isTurned: true }),
    ...(pages !== undefined && pages > 1 && { isSeveral: true }),
  };
}
