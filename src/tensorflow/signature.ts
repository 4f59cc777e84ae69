import { UserError } from '../errors.js';
import type { HostTensor } from './data-types.js';

/** Shape and type of one input. */
export type TensorSpec = Pick<HostTensor, 'dtype' | 'shape'>;

/** A plain JavaScript value that a program may branch on: it is traced anew for each. */
export type Static =
  undefined | null | boolean | number | string | readonly Static[] | { readonly [key: string]: Static };

/** What a trace is good for, as a key: shapes and types of the inputs, and the static values. */
export function signatureOf(inputs: Readonly<Record<string, TensorSpec>>, statics: Static): string {
  const tensors = Object.keys(inputs)
    .sort()
    .map((name) => `${name}: ${describe(name, inputs[name]!)}`);
  return `${tensors.join(', ')}; ${text(statics)}`;
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
  return typeof value === 'object' ? (value?.constructor.name ?? 'object') : typeof value;
}
