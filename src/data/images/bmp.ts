/** Pixels of a file as it has them. */
export interface StoredImage {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3 | 4;
  readonly data: Uint8Array;
}

/** Bits of a pixel's value that are a colour's. */
interface Mask {
  readonly shift: number;
  /** Greatest value; 0 where the pixels do not have it. */
  readonly most: number;
}

interface Header {
  readonly width: number;
  readonly height: number;
  readonly isTopDown: boolean;
  readonly bits: number;
  readonly compression: number;
  /** Offset of the pixels. */
  readonly pixels: number;
  /** Red, green and blue of each colour; empty where pixels are not numbers of colours. */
  readonly palette: Uint8Array;
  readonly masks: readonly Mask[];
}

const compressions = { none: 0, rle8: 1, rle4: 2, masks: 3, masksWithAlpha: 6 };

/**
 * Reads a BMP file: palettes of 1, 4 and 8 bits, also run-length encoded, and colours of 16, 24 and 32 bits, of every
 * version of its header. As in Pillow, a fourth byte is alpha only where the file says so.
 *
 * @param mostPixels that are read.
 * @throws Error saying what is wrong.
 */
export function decodeBmp(file: Buffer, mostPixels: number): StoredImage {
  const header = readHeader(file);
  const { width, height, compression } = header;
  if (width < 1 || height < 1) throw new Error(`it has ${width} by ${height} pixels`);
  if (width * height > mostPixels) throw new Error('Input image exceeds pixel limit');
  if (compression === compressions.rle8 || compression === compressions.rle4)
    return coloured(header, unpacked(file, header));
  const stride = Math.ceil((width * header.bits) / 32) * 4;
  // The padding of the last row may be missing.
  if (header.pixels + stride * (height - 1) + Math.ceil((width * header.bits) / 8) > file.length)
    throw new Error('the file is cut off');
  return header.bits <= 8 ? coloured(header, numbersOf(file, header, stride)) : direct(file, header, stride);
}

function readHeader(file: Buffer): Header {
  if (file.length < 26) throw new Error('the file is cut off');
  const size = file.readUInt32LE(14);
  const isOld = size === 12;
  if (file.length < 14 + size || (!isOld && size < 40)) throw new Error('its header is not valid');
  const signedHeight = isOld ? file.readUInt16LE(20) : file.readInt32LE(22);
  const bits = file.readUInt16LE(isOld ? 24 : 28);
  const compression = isOld ? compressions.none : file.readUInt32LE(30);
  const hasMasks = compression === compressions.masks || compression === compressions.masksWithAlpha;
  const bitsOf: Readonly<Record<number, readonly number[] | undefined>> = {
    [compressions.none]: [1, 4, 8, 16, 24, 32],
    [compressions.rle8]: [8],
    [compressions.rle4]: [4],
    [compressions.masks]: [16, 32],
    [compressions.masksWithAlpha]: [16, 32],
  };
  if (bitsOf[compression]?.includes(bits) !== true)
    throw new Error(`pixels of ${bits} bits with compression ${compression} are not read`);
  // Masks lie behind the oldest header that has any, and within later ones.
  const maskCount = !hasMasks ? 0 : size >= 56 || compression === compressions.masksWithAlpha ? 4 : 3;
  const start = 14 + Math.max(size, isOld ? 0 : 40 + maskCount * 4);
  if (start > file.length) throw new Error('the file is cut off');
  return {
    width: isOld ? file.readUInt16LE(18) : file.readInt32LE(18),
    height: Math.abs(signedHeight),
    isTopDown: signedHeight < 0,
    bits,
    compression,
    pixels: file.readUInt32LE(10),
    palette: bits <= 8 ? readPalette(file, start, bits, isOld) : new Uint8Array(),
    masks: hasMasks
      ? Array.from({ length: maskCount }, (_, i) => maskOf(file.readUInt32LE(54 + i * 4)))
      : bits === 16
        ? [0x7c00, 0x3e0, 0x1f].map(maskOf)
        : [0xff0000, 0xff00, 0xff].map(maskOf),
  };
}

function readPalette(file: Buffer, start: number, bits: number, isOld: boolean): Uint8Array {
  const bytes = isOld ? 3 : 4;
  const stated = isOld ? 0 : file.readUInt32LE(46);
  const count = Math.min(
    stated === 0 ? 2 ** bits : stated,
    2 ** bits,
    Math.floor((file.length - start) / bytes),
  );
  const palette = new Uint8Array(2 ** bits * 3);
  for (let i = 0; i < count; i++)
    for (let c = 0; c < 3; c++) palette[i * 3 + c] = file[start + i * bytes + 2 - c]!;
  return palette;
}

function maskOf(mask: number): Mask {
  if (mask === 0) return { shift: 0, most: 0 };
  const shift = 31 - Math.clz32(mask & -mask);
  return { shift, most: mask >>> shift };
}

/** Row of the file that holds a row of the image. */
function storedRow(y: number, { height, isTopDown }: Header): number {
  return isTopDown ? y : height - 1 - y;
}

/** Each pixel's number of a colour. */
function numbersOf(file: Buffer, header: Header, stride: number): Uint8Array {
  const { width, height, bits, pixels } = header;
  const numbers = new Uint8Array(width * height);
  const perByte = 8 / bits;
  const most = 2 ** bits - 1;
  for (let y = 0; y < height; y++) {
    const from = pixels + storedRow(y, header) * stride;
    for (let x = 0; x < width; x++) {
      const byte = file[from + Math.floor(x / perByte)]!;
      numbers[y * width + x] = (byte >> ((perByte - 1 - (x % perByte)) * bits)) & most;
    }
  }
  return numbers;
}

/** Numbers of colours that are run-length encoded: a count and a colour; after a 0, a command or a count of colours. */
function unpacked(file: Buffer, header: Header): Uint8Array {
  const { width, height, compression } = header;
  const numbers = new Uint8Array(width * height);
  const isHalf = compression === compressions.rle4;
  let [x, y, at] = [0, 0, header.pixels];
  const put = (number: number): void => {
    if (x < width && y < height) numbers[storedRow(y, header) * width + x] = number;
    x++;
  };
  const half = (byte: number, i: number): number => (isHalf ? (i % 2 === 0 ? byte >> 4 : byte & 15) : byte);
  for (;;) {
    if (at + 2 > file.length) throw new Error('the file is cut off');
    const [count, value] = [file[at]!, file[at + 1]!];
    at += 2;
    if (count > 0) for (let i = 0; i < count; i++) put(half(value, i));
    else if (value === 0) [x, y] = [0, y + 1];
    else if (value === 1) return numbers;
    else if (value === 2) {
      if (at + 2 > file.length) throw new Error('the file is cut off');
      [x, y] = [x + file[at]!, y + file[at + 1]!];
      at += 2;
    } else {
      const bytes = isHalf ? Math.ceil(value / 2) : value;
      if (at + bytes > file.length) throw new Error('the file is cut off');
      for (let i = 0; i < value; i++) put(half(file[at + (isHalf ? i >> 1 : i)]!, i));
      at += bytes + (bytes % 2);
    }
    if (y >= height) return numbers;
  }
}

function coloured({ width, height, palette }: Header, numbers: Uint8Array): StoredImage {
  const data = new Uint8Array(numbers.length * 3);
  for (let i = 0; i < numbers.length; i++)
    for (let c = 0; c < 3; c++) data[i * 3 + c] = palette[numbers[i]! * 3 + c]!;
  return { width, height, channels: 3, data };
}

function direct(file: Buffer, header: Header, stride: number): StoredImage {
  const { width, height, bits, pixels, masks } = header;
  const bytes = bits / 8;
  const channels = masks[3] !== undefined && masks[3].most > 0 ? 4 : 3;
  const data = new Uint8Array(width * height * channels);
  let to = 0;
  for (let y = 0; y < height; y++) {
    const from = pixels + storedRow(y, header) * stride;
    for (let x = 0; x < width; x++) {
      const value = file.readUIntLE(from + x * bytes, bytes);
      for (let c = 0; c < channels; c++) {
        const { shift, most } = masks[c]!;
        data[to++] = most === 0 ? 0 : Math.floor((((value >>> shift) & most) * 255) / most);
      }
    }
  }
  return { width, height, channels, data };
}
