import type { FileSeal } from '../../base/output-file.js';
import { arrayTypes, elementBytes, type SafetensorsDtype } from '../safetensors/header.js';
import { bytesOf, elementCount, type TypedArray } from '../typed-arrays.js';
import { writeZip, type ZipEntrySource } from '../zip-writer.js';
import { storageDtypes } from './checkpoint.js';

/** A tensor to write. `data` may be a function, called when its turn comes: one tensor is held at a time. */
export class TorchTensorSource {
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  readonly data: TypedArray | (() => TypedArray | Promise<TypedArray>);

  constructor(
    dtype: SafetensorsDtype,
    shape: readonly number[],
    data: TypedArray | (() => TypedArray | Promise<TypedArray>),
  ) {
    this.dtype = dtype;
    this.shape = shape;
    this.data = data;
  }
}

/**
 * Values that can be written. A `Map` is a dictionary whose keys may be numbers, as those of an optimizer's state are.
 */
export type TorchWritable =
  | null
  | boolean
  | number
  | string
  | TorchTensorSource
  | readonly TorchWritable[]
  | ReadonlyMap<string | number, TorchWritable>
  | { readonly [key: string]: TorchWritable };

/**
 * Writes a checkpoint whole or not at all, in PyTorch's zip format, such that `torch.load(path, weights_only=True)`
 * reads it, with `mmap=True` as well: dictionaries, lists, numbers, text and tensors.
 */
export function writeTorchCheckpoint(path: string, value: TorchWritable): Promise<FileSeal> {
  const tensors: TorchTensorSource[] = [];
  const pickle = new PickleWriter();
  writeValue(pickle, value, tensors);
  const entries = [
    small('data.pkl', pickle.finish()),
    small('byteorder', Buffer.from('little')),
    ...tensors.map(storageEntry),
    small('version', Buffer.from('3\n')),
  ];
  return writeZip(path, entries, { alignment });
}

/** Alignment of storages by PyTorch's own writer, so that `torch.load(path, mmap=True)` reads whole vectors. */
const alignment = 64;

/** Every entry of an archive that PyTorch reads is in one folder. */
const folder = 'checkpoint/';

function small(name: string, content: Uint8Array): ZipEntrySource {
  return { name: folder + name, bytes: content.byteLength, content: () => [content] };
}

function storageEntry({ dtype, shape, data }: TorchTensorSource, key: number): ZipEntrySource {
  return {
    name: `${folder}data/${key}`,
    bytes: elementCount(shape) * elementBytes[dtype],
    content: async function* () {
      const elements = typeof data === 'function' ? await data() : data;
      if (!(elements instanceof arrayTypes[dtype]))
        throw new TypeError(`a ${dtype} tensor needs another array`);
      yield bytesOf(elements);
    },
  };
}

function writeValue(pickle: PickleWriter, value: TorchWritable, tensors: TorchTensorSource[]): void {
  if (value === null) pickle.code('N');
  else if (typeof value === 'boolean') pickle.code(value ? '\x88' : '\x89');
  else if (typeof value === 'number') pickle.number(value);
  else if (typeof value === 'string') pickle.text(value);
  else if (value instanceof TorchTensorSource) writeTensor(pickle, value, tensors.push(value) - 1);
  else if (isList(value)) {
    pickle.code('](');
    for (const item of value) writeValue(pickle, item, tensors);
    pickle.code('e');
  } else {
    pickle.code('}(');
    for (const [key, item] of membersOf(value)) {
      writeValue(pickle, key, tensors);
      writeValue(pickle, item, tensors);
    }
    pickle.code('u');
  }
}

function membersOf(
  value: ReadonlyMap<string | number, TorchWritable> | Readonly<Record<string, TorchWritable>>,
): Iterable<readonly [string | number, TorchWritable]> {
  return value instanceof Map
    ? (value as ReadonlyMap<string | number, TorchWritable>)
    : Object.entries(value);
}

function isList(value: object): value is readonly TorchWritable[] {
  return Array.isArray(value);
}

/** `_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, OrderedDict())`. */
function writeTensor(pickle: PickleWriter, { dtype, shape }: TorchTensorSource, key: number): void {
  const storage = Object.entries(storageDtypes).find(([, of]) => of === dtype)?.[0];
  if (storage === undefined) throw new TypeError(`PyTorch has no storage of ${dtype}`);
  pickle.global('torch._utils', '_rebuild_tensor_v2').code('((');
  pickle.text('storage').global('torch', storage).text(String(key)).text('cpu').number(elementCount(shape));
  pickle.code('tQ').number(0).tuple(shape).tuple(rowMajorStrides(shape)).code('\x89');
  pickle.global('collections', 'OrderedDict').code(')RtR');
}

function rowMajorStrides(shape: readonly number[]): number[] {
  return shape.map((_, axis) => Math.max(1, elementCount(shape.slice(axis + 1))));
}

/** Writes the parts of a pickle of protocol 2 one after the other. */
class PickleWriter {
  private readonly parts: Buffer[] = [Buffer.from([0x80, 2])];

  code(character: string): this {
    this.parts.push(Buffer.from(character, 'latin1'));
    return this;
  }

  global(module: string, name: string): this {
    return this.code(`c${module}\n${name}\n`);
  }

  text(value: string): this {
    const bytes = Buffer.from(value);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(bytes.length);
    this.parts.push(Buffer.from('X'), length, bytes);
    return this;
  }

  /** A whole number as an integer of Python, any other as a float. */
  number(value: number): this {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) return this.integer(value);
    const bytes = Buffer.alloc(9, 'G');
    bytes.writeDoubleBE(value, 1);
    this.parts.push(bytes);
    return this;
  }

  tuple(members: readonly number[]): this {
    this.code('(');
    for (const member of members) this.number(member);
    return this.code('t');
  }

  /** The finished pickle. */
  finish(): Buffer {
    return Buffer.concat([...this.parts, Buffer.from('.')]);
  }

  private integer(value: number): this {
    const isShort = value >= -(2 ** 31) && value < 2 ** 31;
    const bytes = Buffer.alloc(isShort ? 5 : 10);
    if (isShort) {
      bytes.write('J');
      bytes.writeInt32LE(value, 1);
    } else {
      bytes.set([0x8a, 8]);
      bytes.writeBigInt64LE(BigInt(value), 2);
    }
    this.parts.push(bytes);
    return this;
  }
}
