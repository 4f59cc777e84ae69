import { UserError } from '../../base/errors.js';
import type { SafetensorsDtype } from '../safetensors/header.js';
import { PickledAttributes, PickleError, type PickleGlobal, textOf } from './pickle-machine.js';
import { type TorchStorage, TorchTensor } from './tensor.js';

/**
 * Content of a PyTorch checkpoint: dictionaries and option objects are plain objects, tensors are read when asked for.
 */
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

/** Element types by the name of PyTorch's storage class. */
export const storageDtypes: Readonly<Record<string, SafetensorsDtype | undefined>> = {
  DoubleStorage: 'F64',
  FloatStorage: 'F32',
  HalfStorage: 'F16',
  BFloat16Storage: 'BF16',
  LongStorage: 'I64',
  IntStorage: 'I32',
  ShortStorage: 'I16',
  CharStorage: 'I8',
  ByteStorage: 'U8',
  BoolStorage: 'BOOL',
};

/** Bytes of the largest pickle that is read: weights stand beside it, and it takes about 150 bytes for a tensor. */
export const largestPickle = 64 * 2 ** 20;

/** The type of a storage, as a checkpoint names it. */
export class StorageType {
  readonly dtype: SafetensorsDtype;

  constructor(dtype: SafetensorsDtype) {
    this.dtype = dtype;
  }
}

const dictionary: PickleGlobal = (items) =>
  new Map((Array.isArray(items) ? items : []) as (readonly [unknown, unknown])[]);
const attributes: PickleGlobal = () => new PickledAttributes();
const path: PickleGlobal = (...parts) => parts.map(textOf).join('/');
const items: PickleGlobal = (values) => (Array.isArray(values) ? (values as unknown[]) : []);

const known: Readonly<Record<string, PickleGlobal | undefined>> = {
  'collections.OrderedDict': dictionary,
  'argparse.Namespace': attributes,
  'types.SimpleNamespace': attributes,
  'pathlib.PosixPath': path,
  'pathlib._local.PosixPath': path,
  'builtins.set': items,
  '__builtin__.set': items,
  'torch.Size': items,
  'torch.device': (...parts) => parts.map(textOf).join(':'),
  'torch._utils._rebuild_tensor_v2': rebuildTensor,
  'torch._utils._rebuild_parameter': (tensor) => tensor,
};

const dtypeNames =
  /^(float(16|32|64)|bfloat16|half|double|u?int(8|16|32|64)|long|short|bool|complex(64|128))$/;

/**
 * Stands in for a global of a checkpoint: one of the few that tensors, their containers and options are made of.
 *
 * @throws UserError `checkpoint-unknown-global` for any other: it is named, and nothing of it is executed.
 */
export function checkpointGlobal(file: string, module: string, name: string): unknown {
  const full = `${module}.${name}`;
  const meaning = Object.hasOwn(known, full) ? known[full] : undefined;
  if (meaning) return meaning;
  if (module === 'torch' && Object.hasOwn(storageDtypes, name)) return new StorageType(storageDtypes[name]!);
  if (module === 'torch' && dtypeNames.test(name)) return full;
  throw new UserError({
    code: 'checkpoint-unknown-global',
    message: `${file}: the checkpoint refers to ${full}, which is not among the things that are read.`,
    remedy:
      'Checkpoints of tensors, numbers, text and argparse options are read; code never is. In PyTorch, save only the state dictionaries: torch.save({"model": model.state_dict()}, path).',
  });
}

/** `_rebuild_tensor_v2(storage, offset, size, stride, …)`. */
function rebuildTensor(storage: unknown, offset: unknown, shape: unknown, strides: unknown): TorchTensor {
  if (!Array.isArray(shape) || !Array.isArray(strides) || typeof offset !== 'number') {
    throw new PickleError('a tensor has no shape');
  }
  if (typeof storage !== 'object' || storage === null || !('source' in storage))
    throw new PickleError('a tensor has no storage');
  return new TorchTensor(storage as TorchStorage, offset, shape as number[], strides as number[]);
}
