/** Stand-in for a global that a pickle names: never code of the pickle's own. */
export type PickleGlobal = (...args: unknown[]) => unknown;

/** Duties that the creator of a pickle leaves to its reader. */
export interface PickleHost {
  /** The meaning of a global: a function of the host's own, or something that is not called. */
  global(module: string, name: string): unknown;
  /** An object that is kept outside the pickle. */
  persistent(id: unknown): unknown;
}

/** The object of a class with attributes: an `argparse.Namespace`. */
export class PickledAttributes extends Map<unknown, unknown> {}

/**
 * Stand-in for what is not known: a class, a function, or what a call of one would have made. It keeps the attributes and members that
 * it is given, and does nothing.
 */
export class PickledUnknown extends PickledAttributes {
  constructor(readonly name: string) {
    super();
  }
}

/**
 * Limit on what a pickle may make: a container costs as much as eight other values. A checkpoint's pickle takes about 60 for a
 * tensor.
 */
const budget = 2 ** 22;
const containerCost = 8;

/** The pickle virtual machine's memory: a stack with marks, and a table of remembered objects. */
export class Machine {
  readonly host: PickleHost;
  readonly memo = new Map<number, unknown>();
  private readonly stack: unknown[] = [];
  private readonly marks: number[] = [];
  private left = budget;

  constructor(host: PickleHost) {
    this.host = host;
  }

  push(value: unknown): void {
    this.left -= Array.isArray(value) || value instanceof Map ? containerCost : 1;
    if (this.left < 0) throw new PickleError('it holds too many values');
    this.stack.push(value);
  }

  pop(): unknown {
    if (this.stack.length === 0) throw new PickleError('its stack runs empty');
    return this.stack.pop();
  }

  get top(): unknown {
    if (this.stack.length === 0) throw new PickleError('its stack runs empty');
    return this.stack.at(-1);
  }

  mark(): void {
    if (this.marks.length >= budget / containerCost) throw new PickleError('it holds too many marks');
    this.marks.push(this.stack.length);
  }

  popToMark(): unknown[] {
    const mark = this.marks.pop();
    if (mark === undefined) throw new PickleError('a mark is missing');
    return this.stack.splice(mark);
  }

  remembered(index: number): unknown {
    if (!this.memo.has(index)) throw new PickleError(`nothing is remembered as ${index}`);
    return this.memo.get(index);
  }

  /** Calls a function of the host; a call of what is unknown gives what is unknown. */
  call(callee: unknown, args: unknown): unknown {
    if (callee instanceof PickledUnknown) return new PickledUnknown(callee.name);
    if (typeof callee !== 'function' || !Array.isArray(args))
      throw new PickleError('it calls what is no function');
    return (callee as PickleGlobal)(...(args as unknown[]));
  }

  setItems(target: unknown, items: readonly unknown[]): void {
    if (!(target instanceof Map)) throw new PickleError('it sets items of what is no dictionary');
    for (let i = 0; i + 1 < items.length; i += 2) target.set(items[i], items[i + 1]);
  }

  appendItems(target: unknown, items: readonly unknown[]): void {
    if (target instanceof PickledUnknown) return;
    if (!Array.isArray(target)) throw new PickleError('it appends to what is no list');
    for (const item of items) target.push(item);
  }

  /**
   * Gives an object its attributes, those in slots apart; those of a dictionary (PyTorch's `_metadata`) mean nothing to us,
   * nor does what a class makes attributes of.
   */
  build(target: unknown, state: unknown): void {
    if (!(target instanceof PickledAttributes)) return;
    for (const attributes of Array.isArray(state) ? (state as unknown[]) : [state])
      if (attributes instanceof Map) for (const [key, value] of attributes) target.set(key, value);
  }
}

/**
 * Text of a key, or of a part of a path. Lists may hold themselves, or each other many times over: they are no text.
 */
export function textOf(value: unknown): string {
  if (Array.isArray(value) && value.length <= 16 && value.every((item) => !isObject(item)))
    return value.join();
  if (isObject(value)) throw new PickleError('a name in it is no text');
  return String(value);
}

const isObject = (value: unknown): boolean =>
  (typeof value === 'object' && value !== null) || typeof value === 'function';

/** A pickle that does not follow the format, or asks for more than is given. */
export class PickleError extends Error {
  override readonly name = 'PickleError';
}

/** The bytes ended within a pickle: there is more to it, or it is damaged. */
export class PickleEndError extends Error {
  override readonly name = 'PickleEndError';

  constructor() {
    super('it ends within a pickle');
  }
}

/** Bytes of the longest whole number that is read: options and sizes have 8, PyTorch's magic number 10. */
const longestInteger = 256;

/** Reads the parts of a pickle one after the other. */
export class Cursor {
  position: number;
  private readonly source: Buffer;

  constructor(bytes: Uint8Array, position: number) {
    this.source = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.position = position;
  }

  uint8(): number {
    return this.source[this.advance(1)]!;
  }

  uint16(): number {
    return this.source.readUInt16LE(this.advance(2));
  }

  int32(): number {
    return this.source.readInt32LE(this.advance(4));
  }

  uint32(): number {
    return this.source.readUInt32LE(this.advance(4));
  }

  uint64(): number {
    return Number(this.source.readBigUInt64LE(this.advance(8)));
  }

  /** Pickles hold floating-point numbers big-endian. */
  float64(): number {
    return this.source.readDoubleBE(this.advance(8));
  }

  /** A whole number of any length in two's complement: a bigint where a number would not be exact. */
  long(length: number): number | bigint {
    if (length > longestInteger) throw new PickleError(`it holds a whole number of ${length} bytes`);
    const start = this.advance(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.source[start + i]!);
    const signed = BigInt.asIntN(length * 8, value);
    return signed >= Number.MIN_SAFE_INTEGER && signed <= Number.MAX_SAFE_INTEGER ? Number(signed) : signed;
  }

  bytes(length: number): Uint8Array {
    const start = this.advance(length);
    return new Uint8Array(this.source.subarray(start, start + length));
  }

  text(length: number, encoding: 'utf8' | 'latin1' = 'utf8'): string {
    const start = this.advance(length);
    return this.source.toString(encoding, start, start + length);
  }

  line(): string {
    const end = this.source.indexOf('\n', this.position);
    if (end < 0) throw new PickleEndError();
    const text = this.text(end - this.position);
    this.position = end + 1;
    return text;
  }

  private advance(length: number): number {
    const start = this.position;
    if (start + length > this.source.length) throw new PickleEndError();
    this.position = start + length;
    return start;
  }
}
