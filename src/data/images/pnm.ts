import type { StoredImage } from './bmp.js';

/**
 * Reads a PPM, PGM or PBM file, binary or text, of 8 or 16 bits: values are brought to 0 to 255, rounded as in Pillow.
 *
 * @param mostPixels that are read.
 * @throws Error saying what is wrong.
 */
export function decodePnm(file: Buffer, mostPixels: number): StoredImage {
  const kind = file[1]! - 0x30;
  const isBits = kind === 1 || kind === 4;
  const isText = kind <= 3;
  const channels = kind === 3 || kind === 6 ? 3 : 1;
  const text = new Text(file, 2);
  const [width, height] = [text.number(), text.number()];
  const most = isBits ? 1 : text.number();
  if (width < 1 || height < 1) throw new Error(`it has ${width} by ${height} pixels`);
  if (width * height > mostPixels) throw new Error('Input image exceeds pixel limit');
  if (most < 1 || most > 65535) throw new Error(`its greatest value is ${most}`);
  const count = width * height * channels;
  const start = text.position + 1;
  const stride = Math.ceil(width / 8);
  const bytes = isBits ? stride * height : count * (most > 255 ? 2 : 1);
  if (!isText && start + bytes > file.length) throw new Error('the file is cut off');
  const data = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    let value: number;
    if (isText) value = isBits ? text.digit() : text.number();
    else if (isBits) {
      const [x, y] = [i % width, Math.floor(i / width)];
      value = (file[start + y * stride + (x >> 3)]! >> (7 - (x & 7))) & 1;
    } else value = most > 255 ? file.readUInt16BE(start + i * 2) : file[start + i]!;
    data[i] = isBits ? (1 - value) * 255 : Math.min(255, Math.round((value / most) * 255));
  }
  return { width, height, channels, data };
}

/** Numbers in decimal digits, with white space and comments between them. */
class Text {
  constructor(
    private readonly file: Buffer,
    public position: number,
  ) {}

  number(): number {
    this.skip();
    const start = this.position;
    while (isDigit(this.file[this.position])) this.position++;
    if (this.position === start) throw new Error(this.problem);
    return Number(this.file.toString('latin1', start, Math.min(this.position, start + 10)));
  }

  /** A number of one digit, which needs no space behind it. */
  digit(): number {
    this.skip();
    const byte = this.file[this.position++];
    if (!isDigit(byte)) throw new Error(this.problem);
    return byte! - 0x30;
  }

  private get problem(): string {
    return this.position >= this.file.length
      ? 'the file is cut off'
      : `byte ${this.position} is not of a number`;
  }

  private skip(): void {
    for (;;) {
      const byte = this.file[this.position];
      if (byte === 0x23)
        while (this.position < this.file.length && this.file[this.position] !== 0x0a) this.position++;
      else if (byte === 0x20 || (byte !== undefined && byte >= 9 && byte <= 13)) this.position++;
      else return;
    }
  }
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}
