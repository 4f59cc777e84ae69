import { UserError } from '../base/errors.js';
import type { HostTensor } from './data-types.js';

/** Shape and type of one input. */
export type TensorSpec = Pick<HostTensor, 'dtype' | 'shape'>;

/** A plain JavaScript value that a program may branch on: it is traced anew for each. */
export type Static =
  undefined | null | boolean | number | string | readonly Static[] | { readonly [key: string]: Static };

/** Key of a trace: shapes and types of the inputs, and the static values. */
export function signatureOf(inputs: Readonly<Record<string, TensorSpec>>, statics: Static): string {
  const tensors = Object.keys(inputs)
    .sort()
    .map((name) => `${name}: ${describe(name, inputs[name]!)}`);
  return `${tensors.join(', ')}; ${text(statics)}`;
}

/**
 * Checks values for inputs: each is a tensor in JavaScript's memory, and where it is known which are expected, they are
 * these and no others, of their types and shapes.
 *
 * @throws UserError `input-mismatch` naming the input, what is expected and what was found
 */
export function checkInputs(
  given: Readonly<Record<string, unknown>>,
  expected?: Readonly<Record<string, TensorSpec>>,
): void {
  if (typeof (given as unknown) !== 'object' || (given as unknown) === null)
    throw inputMismatch(`Inputs are tensors by name; ${kindOf(given)} was found.`);
  const names = Object.keys(expected ?? given);
  for (const name of names) {
    const wanted = expected?.[name];
    const value = given[name];
    const isTensor = isHostTensor(value);
    if (isTensor && (wanted === undefined || describe(name, value) === describe(name, wanted))) continue;
    const found = isTensor ? describe(name, value) : kindOf(value);
    throw inputMismatch(
      Object.hasOwn(given, name)
        ? `The input ${name} must be ${wanted ? describe(name, wanted) : 'a tensor'}; ${found} was found.`
        : `The input ${name} is missing: ${describe(name, wanted!)} is expected; given are ${listed(given)}.`,
    );
  }
  const other = Object.keys(given).find((name) => !names.includes(name));
  if (other !== undefined) throw inputMismatch(`There is no input ${other}; there are ${listed(expected!)}.`);
}

const listed = (record: object): string => Object.keys(record).join(', ') || 'none';

const inputMismatch = (message: string, cause?: unknown): UserError =>
  new UserError({
    code: 'input-mismatch',
    message,
    remedy: 'A tensor is { dtype, shape, data }, as `float32(shape, data)` makes it.',
    cause,
  });

function isHostTensor(value: unknown): value is HostTensor {
  const { dtype, shape, data } = (value ?? {}) as Partial<HostTensor>;
  if (typeof dtype !== 'string' || !Array.isArray(shape) || !ArrayBuffer.isView(data)) return false;
  // Whether its sizes are known is said by what describes it.
  const size = (shape as readonly number[]).reduce((product, extent) => product * extent, 1);
  return !Number.isInteger(size) || size < 0 || data.length === size;
}

/** @throws UserError `input-mismatch` where one of the names is not given */
export function checkNamed(given: Readonly<Record<string, unknown>>, names: readonly string[]): void {
  const name = names.find((each) => !Object.hasOwn(given, each));
  if (name !== undefined) throw inputMismatch(`The input ${name} is missing; given are ${listed(given)}.`);
}

/**
 * Calls a program such that an input which it reads, and which was not given, is named where that makes it fail.
 *
 * @throws UserError `input-mismatch`
 */
export function namingMissing<I extends object, R>(inputs: I, program: (inputs: I) => R): R {
  const missing = new Set<string>();
  const watched = new Proxy(inputs, {
    get: (target, key, receiver): unknown => {
      if (typeof key === 'string' && !Object.hasOwn(target, key)) missing.add(key);
      return Reflect.get(target, key, receiver);
    },
  });
  try {
    return program(watched);
  } catch (error) {
    const [name] = missing;
    if (name === undefined || !(error instanceof Error) || !/undefined|'null'/.test(error.message))
      throw error;
    throw inputMismatch(
      `The program reads the input ${name}, which is missing; given are ${listed(inputs)}.`,
      error,
    );
  }
}

/** @throws UserError `size-unknown` where an extent is not a number of elements. */
function describe(name: string, { dtype, shape }: TensorSpec): string {
  if (!shape.every((extent) => Number.isInteger(extent) && extent >= 0))
    throw new UserError({
      code: 'size-unknown',
      message: `The input ${name} has the shape [${shape.map(String).join(', ')}]: every size must be known when a program is traced.`,
      remedy:
        'Give the size of each axis. For batches of changing size, name the batch axis of inputs and outputs (`batch`).',
    });
  return `${dtype}[${shape.join(', ')}]`;
}

/** JSON with sorted keys, and with the numbers that JSON has not. */
function text(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(text).join(', ')}]`;
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value);
    case 'number':
      return Object.is(value, -0) ? '-0' : String(value);
    case 'boolean':
    case 'undefined':
      return String(value);
    case 'object': {
      if (value === null) return 'null';
      const prototype: unknown = Object.getPrototypeOf(value);
      if (prototype !== Object.prototype && prototype !== null) break;
      const record = value as Record<string, unknown>;
      const entries = Object.keys(record).sort();
      return `{${entries.map((key) => `${JSON.stringify(key)}: ${text(record[key])}`).join(', ')}}`;
    }
  }
  throw new UserError({
    code: 'not-static',
    message: `A static value of a traced program is of the kind ${kindOf(value)}, which cannot be compared from call to call.`,
    remedy: 'Use numbers, strings, booleans, null, and lists and records of them; pass tensors as inputs.',
  });
}

function kindOf(value: unknown): string {
  if (typeof value !== 'object') return typeof value;
  if (value === null) return 'null';
  const { dtype, shape, data } = value as Partial<HostTensor>;
  if (typeof dtype === 'string' && Array.isArray(shape) && ArrayBuffer.isView(data))
    return `${dtype}[${shape.join(', ')}] with ${data.length} values`;
  return (value as { constructor?: { name: string } }).constructor?.name ?? 'object';
}

/** Number of samples that a batch of `size` is filled up to: 1, 2, 3, 4, 6, 8, 12, 16, 24 and so on, at most half more. */
export function bucketFor(size: number, largest = Infinity): number {
  const power = 2 ** Math.ceil(Math.log2(size));
  const bucket = size <= 0.75 * power ? 0.75 * power : power;
  return size <= largest ? Math.min(bucket, largest) : bucket;
}

/** The largest of those numbers that is no more than `size`: a batch of so many is not filled up. */
export function fullBucket(size: number): number {
  const power = 2 ** Math.floor(Math.log2(size));
  return power > 1 && size >= 1.5 * power ? 1.5 * power : power;
}
