import { UserError } from '../../errors.js';
import { PickleError, textOf } from './pickle/machine.js';
import { TorchTensor } from './tensor.js';

/** What a PyTorch checkpoint holds: dictionaries and option objects come as plain objects, tensors are read when asked for. */
export type TorchValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | TorchTensor
  | readonly TorchValue[]
  | { readonly [key: string]: TorchValue };

/** An open PyTorch checkpoint. Close it after its tensors have been read. */
export interface TorchCheckpoint {
  readonly path: string;
  readonly value: TorchValue;
  close(): Promise<void>;
}

/**
 * Unpickled values without maps; keys that are numbers become text. An object that occurs twice stays one object.
 *
 * @throws PickleError when a class is among the values.
 */
export function plainValue(value: unknown, seen = new Map<unknown, TorchValue>()): TorchValue {
  if (isLeaf(value)) return value;
  const before = seen.get(value);
  if (before !== undefined) return before;
  if (Array.isArray(value)) {
    const list: TorchValue[] = [];
    seen.set(value, list);
    for (const item of value) list.push(plainValue(item, seen));
    return list;
  }
  if (!(value instanceof Map)) throw new PickleError('a class is among its values');
  const record: Record<string, TorchValue> = {};
  seen.set(value, record);
  for (const [key, item] of value) {
    const property = { value: plainValue(item, seen), enumerable: true, writable: true, configurable: true };
    Object.defineProperty(record, textOf(key), property);
  }
  return record;
}

function isLeaf(
  value: unknown,
): value is Exclude<TorchValue, readonly TorchValue[] | Record<string, TorchValue>> {
  if (typeof value === 'function') return false;
  return (
    typeof value !== 'object' || value === null || value instanceof Uint8Array || value instanceof TorchTensor
  );
}

/** The error of a file that cannot be a checkpoint. */
export function invalidCheckpoint(path: string, problem: string, cause?: unknown): UserError {
  return new UserError({
    code: 'checkpoint-invalid',
    message: `${path}: not a readable PyTorch checkpoint: ${problem}.`,
    remedy: 'Copy or download the file again, or save it again with torch.save on a little-endian machine.',
    cause,
  });
}
