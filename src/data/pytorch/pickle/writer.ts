/** Writes the parts of a pickle of protocol 2 one after the other. */
export class PickleWriter {
  readonly #parts: Buffer[] = [Buffer.from([0x80, 2])];

  code(character: string): this {
    this.#parts.push(Buffer.from(character, 'latin1'));
    return this;
  }

  global(module: string, name: string): this {
    return this.code(`c${module}\n${name}\n`);
  }

  text(value: string): this {
    const bytes = Buffer.from(value);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(bytes.length);
    this.#parts.push(Buffer.from('X'), length, bytes);
    return this;
  }

  /** A whole number as an integer of Python, any other as a float. */
  number(value: number): this {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) return this.#integer(value);
    const bytes = Buffer.alloc(9, 'G');
    bytes.writeDoubleBE(value, 1);
    this.#parts.push(bytes);
    return this;
  }

  tuple(members: readonly number[]): this {
    this.code('(');
    for (const member of members) this.number(member);
    return this.code('t');
  }

  /** The finished pickle. */
  finish(): Buffer {
    return Buffer.concat([...this.#parts, Buffer.from('.')]);
  }

  #integer(value: number): this {
    const isShort = value >= -(2 ** 31) && value < 2 ** 31;
    const bytes = Buffer.alloc(isShort ? 5 : 10);
    if (isShort) {
      bytes.write('J');
      bytes.writeInt32LE(value, 1);
    } else {
      bytes.set([0x8a, 8]);
      bytes.writeBigInt64LE(BigInt(value), 2);
    }
    this.#parts.push(bytes);
    return this;
  }
}
