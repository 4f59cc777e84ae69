import { UserError } from '../../base/errors.js';
import { elementBytes, type SafetensorsDtype } from '../safetensors/header.js';
import { PickledAttributes, PickledUnknown, PickleError, textOf } from './pickle-machine.js';
import type { PickleGlobal } from './pickle-machine.js';
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
  | TorchUnknown
  | readonly TorchValue[]
  | { readonly [key: string]: TorchValue };

/** Something of a class that is not known, with the attributes and members that it was saved with. Nothing of it is executed. */
export class TorchUnknown {
  constructor(
    /** The class or function, such as `numpy.core.multiarray.scalar`. */
    readonly name: string,
    readonly entries: Readonly<Record<string, TorchValue>>,
  ) {}
}

/** An open PyTorch checkpoint. Close it after its tensors have been read. */
export interface TorchCheckpoint {
  readonly path: string;
  readonly value: TorchValue;
  close(): Promise<void>;
}

/** Deeper than options and trainers nest, and no danger to the stack. */
const deepestValue = 1000;

/**
 * Unpickled values without maps; keys that are numbers become text, members by other keys are left out. An object that
 * occurs twice stays one object.
 */
export function plainValue(value: unknown, seen = new Map<unknown, TorchValue>(), depth = 0): TorchValue {
  if (isLeaf(value)) return value;
  if (depth > deepestValue) return new TorchUnknown(`a value nested more than ${deepestValue} deep`, {});
  const before = seen.get(value);
  if (before !== undefined) return before;
  if (Array.isArray(value)) {
    const list: TorchValue[] = [];
    seen.set(value, list);
    for (const item of value) list.push(plainValue(item, seen, depth + 1));
    return list;
  }
  const record: Record<string, TorchValue> = {};
  const plain = value instanceof PickledUnknown ? new TorchUnknown(value.name, record) : record;
  seen.set(value, plain);
  if (!(value instanceof Map)) return new TorchUnknown(nameOf(value), {});
  for (const [key, item] of value) {
    if (typeof key === 'object' || typeof key === 'function') continue;
    const property = {
      value: plainValue(item, seen, depth + 1),
      enumerable: true,
      writable: true,
      configurable: true,
    };
    Object.defineProperty(record, String(key), property);
  }
  return plain;
}

function nameOf(value: unknown): string {
  if (value instanceof StorageType) return 'a type of storage';
  return typeof value === 'function' ? 'a class' : 'a storage';
}

function isLeaf(
  value: unknown,
): value is Exclude<TorchValue, TorchUnknown | readonly TorchValue[] | Record<string, TorchValue>> {
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
  ComplexFloatStorage: 'C64',
  // Of those the tensor tells the type; their elements are counted in bytes.
  UntypedStorage: 'U8',
};

/** Bytes of an element of storages that are passed over. */
const passedOver: Readonly<Record<string, number | undefined>> = {
  ComplexDoubleStorage: 16,
  QInt8Storage: 1,
  QUInt8Storage: 1,
  QInt32Storage: 4,
  QUInt4x2Storage: 1,
  QUInt2x4Storage: 1,
};

/** Element types by PyTorch's name, where a storage has none. */
const dtypes: Readonly<Record<string, SafetensorsDtype | undefined>> = {
  'torch.float8_e4m3fn': 'F8_E4M3',
  'torch.float8_e5m2': 'F8_E5M2',
  'torch.uint16': 'U16',
  'torch.uint32': 'U32',
  'torch.uint64': 'U64',
};

/** Bytes of the largest pickle that is read: weights stand beside it, and it takes about 150 bytes for a tensor. */
export const largestPickle = 64 * 2 ** 20;

/** The type of a storage, as a checkpoint names it. */
class StorageType {
  constructor(
    /** PyTorch's. */
    readonly name: string,
    readonly elementBytes: number,
    /** Absent where its elements are not read. */
    readonly dtype?: SafetensorsDtype,
  ) {}
}

/** Description of a storage that a checkpoint keeps beside its pickle. */
export interface StorageReference {
  readonly type: StorageType;
  readonly key: string;
  readonly elements: number;
  /** A part of another storage, in checkpoints before PyTorch 1.6. */
  readonly view: unknown;
}

/** @throws UserError `checkpoint-invalid` for what is no reference to a storage */
export function storageReference(path: string, id: unknown): StorageReference {
  const [kind, type, key, , elements, view] = Array.isArray(id) ? (id as unknown[]) : [];
  if (kind === 'storage' && type instanceof StorageType && typeof elements === 'number')
    return { type, key: textOf(key), elements, view };
  throw invalidCheckpoint(path, 'its pickle refers to something that is no storage');
}

const dictionary: PickleGlobal = (items) =>
  items instanceof Map
    ? new Map(items)
    : new Map((Array.isArray(items) ? items : []) as (readonly [unknown, unknown])[]);
const attributes: PickleGlobal = () => new PickledAttributes();
const items: PickleGlobal = (values) => (Array.isArray(values) ? (values as unknown[]) : []);

const known: Readonly<Record<string, PickleGlobal | undefined>> = {
  'collections.OrderedDict': dictionary,
  'collections.defaultdict': () => new Map(),
  'argparse.Namespace': attributes,
  'types.SimpleNamespace': attributes,
  'builtins.set': items,
  '__builtin__.set': items,
  'torch.Size': items,
  'torch._utils._rebuild_tensor': rebuildTensor,
  'torch._utils._rebuild_tensor_v2': rebuildTensor,
  'torch._utils._rebuild_tensor_v3': rebuildTypedTensor,
  'torch._utils._rebuild_parameter': (tensor) => tensor,
  'torch._utils._rebuild_parameter_with_state': (tensor) => tensor,
  'torch._tensor._rebuild_from_type_v2': rebuildWithAttributes,
};

const dtypeNames =
  /^(float(16|32|64)|float8_\w+|bfloat16|half|double|u?int(8|16|32|64)|long|short|bool|complex(64|128))$/;

/**
 * Stands in for a global of a checkpoint: one of the few that tensors, their containers and options are made of. Any other is
 * kept by its name, and nothing of it is executed.
 */
export function checkpointGlobal(module: string, name: string): unknown {
  const full = `${module}.${name}`;
  const meaning = Object.hasOwn(known, full) ? known[full] : undefined;
  if (meaning) return meaning;
  if (module === 'torch' || module === 'torch.storage') {
    const dtype = Object.hasOwn(storageDtypes, name) ? storageDtypes[name] : undefined;
    if (dtype !== undefined) return new StorageType(name, elementBytes[dtype], dtype);
    const bytes = Object.hasOwn(passedOver, name) ? passedOver[name] : undefined;
    if (bytes !== undefined) return new StorageType(name, bytes);
  }
  if (module === 'torch' && dtypeNames.test(name)) return full;
  return new PickledUnknown(full);
}

/** `_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks, {"neg": …})`. */
function rebuildTensor(
  storage: unknown,
  offset: unknown,
  shape: unknown,
  strides: unknown,
  _gradient?: unknown,
  _hooks?: unknown,
  metadata?: unknown,
): TorchTensor | PickledUnknown {
  if (storage instanceof PickledUnknown) return new PickledUnknown(`a tensor of ${storage.name}`);
  if (!Array.isArray(shape) || !Array.isArray(strides) || typeof offset !== 'number') {
    throw new PickleError('a tensor has no shape');
  }
  if (typeof storage !== 'object' || storage === null || !('source' in storage))
    throw new PickleError('a tensor has no storage');
  const isNegated = metadata instanceof Map && metadata.get('neg') === true;
  const view = { offset, shape: shape as number[], strides: strides as number[], isNegated };
  return new TorchTensor(storage as TorchStorage, view);
}

/** `_rebuild_tensor_v3(storage, offset, size, stride, requires_grad, hooks, dtype, metadata)`, of a storage of bytes. */
function rebuildTypedTensor(
  storage: unknown,
  offset: unknown,
  shape: unknown,
  strides: unknown,
  gradient: unknown,
  hooks: unknown,
  type: unknown,
  metadata: unknown,
): TorchTensor | PickledUnknown {
  const dtype = typeof type === 'string' && Object.hasOwn(dtypes, type) ? dtypes[type] : undefined;
  if (dtype === undefined || storage instanceof PickledUnknown)
    return new PickledUnknown(`a tensor of ${typeof type === 'string' ? type : 'an unknown type'}`);
  const bytes = storage as TorchStorage;
  const typed = { ...bytes, dtype, elements: Math.floor(bytes.elements / elementBytes[dtype]) };
  return rebuildTensor(typed, offset, shape, strides, gradient, hooks, metadata);
}

/** Classes whose objects are tensors and nothing else. */
const tensorClasses = ['torch.Tensor', 'torch.nn.parameter.Parameter', 'torch.nn.parameter.Buffer'];

/** `_rebuild_from_type_v2(function, class, arguments, state)`: a tensor that has attributes. */
function rebuildWithAttributes(rebuild: unknown, type: unknown, args: unknown): unknown {
  const name = type instanceof PickledUnknown ? type.name : 'a tensor of an unknown class';
  if (!tensorClasses.includes(name) || typeof rebuild !== 'function' || !Array.isArray(args))
    return new PickledUnknown(name);
  return (rebuild as PickleGlobal)(...(args as unknown[]));
}
