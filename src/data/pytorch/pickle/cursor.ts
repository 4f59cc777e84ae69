/** A pickle that does not follow the format, or asks for more than is given. */
export class PickleError extends Error {
  override readonly name = 'PickleError';
}

/** The bytes ended within a pickle: there is more to it, or it is damaged. */
export class PickleEndError extends Error {
  override readonly name = 'PickleEndError';
}

/** Bytes of the longest whole number that is read: options and sizes have 8, PyTorch's magic number 10. */
const longestInteger = 256;

/** Reads the parts of a pickle one after the other. */
export class Cursor {
  position: number;
  readonly #bytes: Buffer;

  constructor(bytes: Uint8Array, position: number) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.position = position;
  }

  uint8(): number {
    return this.#bytes[this.#advance(1)]!;
  }

  uint16(): number {
    return this.#bytes.readUInt16LE(this.#advance(2));
  }

  int32(): number {
    return this.#bytes.readInt32LE(this.#advance(4));
  }

  uint32(): number {
    return this.#bytes.readUInt32LE(this.#advance(4));
  }

  uint64(): number {
    return Number(this.#bytes.readBigUInt64LE(this.#advance(8)));
  }

  /** Pickles hold floating-point numbers big-endian. */
  float64(): number {
    return this.#bytes.readDoubleBE(this.#advance(8));
  }

  /** A whole number of any length in two's complement: a bigint where a number would not be exact. */
  long(length: number): number | bigint {
    if (length > longestInteger) throw new PickleError(`it holds a whole number of ${length} bytes`);
    const start = this.#advance(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.#bytes[start + i]!);
    const signed = BigInt.asIntN(length * 8, value);
    return signed >= Number.MIN_SAFE_INTEGER && signed <= Number.MAX_SAFE_INTEGER ? Number(signed) : signed;
  }

  bytes(length: number): Uint8Array {
    const start = this.#advance(length);
    return new Uint8Array(this.#bytes.subarray(start, start + length));
  }

  text(length: number, encoding: 'utf8' | 'latin1' = 'utf8'): string {
    const start = this.#advance(length);
    return this.#bytes.toString(encoding, start, start + length);
  }

  line(): string {
    const end = this.#bytes.indexOf('\n', this.position);
    if (end < 0) throw new PickleEndError();
    const text = this.text(end - this.position);
    this.position = end + 1;
    return text;
  }

  #advance(length: number): number {
    const start = this.position;
    if (start + length > this.#bytes.length) throw new PickleEndError();
    this.position = start + length;
    return start;
  }
}
