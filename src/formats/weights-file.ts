import { dirname, join } from 'node:path';
import { refuseForeign } from './foreign-file.js';
import { TorchUnknown, type TorchValue } from './pytorch/checkpoint.js';
import { openTorchCheckpoint } from './pytorch/read.js';
import { TorchTensor } from './pytorch/tensor.js';
import { toFloat32 } from './safetensors/reader.js';
import { isIndexPath, isSafetensorsPath } from './safetensors/shard-index.js';
import { openTensors, readIndex } from './safetensors/shards.js';

/** An open file of weights. Close it after its tensors have been read. */
export interface WeightsFile {
  readonly path: string;
  /** Every dictionary, list or module that holds tensors. */
  readonly groups: readonly TensorGroup[];
  /** Other content at the top of it: the options of the training, counters. */
  readonly facts: Readonly<Record<string, TorchValue>>;
  /** Classes and functions that it refers to and that are not known, each once. Nothing of them was executed. */
  readonly unknown: readonly string[];
  close(): Promise<void>;
}

/** Tensors that stand together in a file. */
export interface TensorGroup {
  /** Keys that lead to it, joined by dots; empty at the top. */
  readonly key: string;
  /** By name; those of a list by their number. */
  readonly tensors: StateDict;
  readonly isList: boolean;
  /** Members that are no tensors that can be read, by name. */
  readonly unreadable: ReadonlyMap<string, string>;
}

/** A tensor of a file of weights, read when asked for. */
export interface StoredTensor {
  readonly shape: readonly number[];
  /** True where its elements are numbers with fractions. */
  readonly isFloating: boolean;
  /** Text that is the same for tensors that are one in the file. */
  readonly identity: string;
  /** Its elements in row-major order, as single precision whatever the file holds. */
  read(): Promise<Float32Array>;
}

/** Tensors by name. */
export type StateDict = ReadonlyMap<string, StoredTensor>;

/**
 * Opens a file of weights: safetensors or a PyTorch checkpoint, whichever it is, or the index of several. Only its
 * structure is read, nothing in it is executed, and its size does not matter.
 *
 * @throws UserError saying what is wrong with the file, or what it is instead.
 */
export async function openWeightsFile(path: string): Promise<WeightsFile> {
  if (isIndexPath(path))
    return isSafetensorsPath(path) ? openSafetensorsWeights(path) : openPytorchShards(path);
  const content = await refuseForeign(path);
  const isSafetensors = content === 'other' ? isSafetensorsPath(path) : content === 'safetensors';
  return isSafetensors ? openSafetensorsWeights(path) : openPytorchWeights(path);
}

/** The members of a dictionary, or of an object of an unknown class; none for anything else. */
export function entriesOf(value: TorchValue | undefined): Readonly<Record<string, TorchValue>> {
  if (value instanceof TorchUnknown) return value.entries;
  const isDictionary =
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof TorchTensor) &&
    !(value instanceof Uint8Array);
  return isDictionary ? (value as Readonly<Record<string, TorchValue>>) : {};
}

async function openPytorchWeights(path: string): Promise<WeightsFile> {
  const checkpoint = await openTorchCheckpoint(path);
  const groups: TensorGroup[] = [];
  const unknown = new Set<string>();
  collect(checkpoint.value, { path, groups, unknown, seen: new Set() }, '');
  const facts = entriesOf(checkpoint.value);
  return { path, groups, facts, unknown: [...unknown], close: () => checkpoint.close() };
}

interface Collected {
  readonly path: string;
  readonly groups: TensorGroup[];
  readonly unknown: Set<string>;
  readonly seen: Set<TorchValue>;
}

/** Finds every group of tensors below a value, the outer before the inner. */
function collect(value: TorchValue, collected: Collected, key: string): void {
  if (typeof value !== 'object' || value === null || collected.seen.has(value)) return;
  if (value instanceof TorchTensor || value instanceof Uint8Array) return;
  collected.seen.add(value);
  if (value instanceof TorchUnknown) collected.unknown.add(value.name);
  const members: readonly (readonly [string, TorchValue])[] = isModule(value)
    ? [...moduleTensors(value)]
    : Object.entries(Array.isArray(value) ? (value as readonly TorchValue[]) : entriesOf(value));
  const tensors = members.flatMap(([name, item]) =>
    item instanceof TorchTensor ? [[name, stored(item, name, collected.path)] as const] : [],
  );
  if (tensors.length > 0)
    collected.groups.push({
      key,
      tensors: new Map(tensors),
      isList: Array.isArray(value),
      unreadable: new Map(
        members.flatMap(([name, item]) => (item instanceof TorchUnknown ? [[name, item.name] as const] : [])),
      ),
    });
  for (const [name, item] of members) collect(item, collected, key === '' ? name : `${key}.${name}`);
}

function stored(tensor: TorchTensor, name: string, path: string): StoredTensor {
  return {
    shape: tensor.shape,
    isFloating: isFloating(tensor.dtype),
    identity: tensor.identity,
    read: async () => toFloat32(await tensor.read(), name, path),
  };
}

const isFloating = (dtype: string): boolean => /^(F|BF)\d/.test(dtype);

/** A module that was saved whole. It is an object like any other: its parameters and buffers stand in dictionaries. */
const isModule = (value: TorchValue): value is TorchUnknown =>
  value instanceof TorchUnknown && '_parameters' in value.entries && '_modules' in value.entries;

/** Deeper than any model. */
const deepestModule = 64;

/** Gives the tensors of a module by the names that `state_dict` has. */
function* moduleTensors({ entries }: TorchUnknown, prefix = '', depth = 0): Generator<[string, TorchValue]> {
  const passing = entries._non_persistent_buffers_set;
  const isKept = (name: string) => !Array.isArray(passing) || !passing.includes(name);
  for (const [name, tensor] of Object.entries(entriesOf(entries._parameters))) yield [prefix + name, tensor];
  for (const [name, tensor] of Object.entries(entriesOf(entries._buffers)))
    if (isKept(name)) yield [prefix + name, tensor];
  if (depth < deepestModule)
    for (const [name, module] of Object.entries(entriesOf(entries._modules)))
      if (isModule(module)) yield* moduleTensors(module, `${prefix}${name}.`, depth + 1);
}

/** Opens all checkpoints of an index: one group of all their tensors. */
async function openPytorchShards(path: string): Promise<WeightsFile> {
  const names = new Set(Object.values(await readIndex(path)));
  const files: WeightsFile[] = [];
  const close = async () => {
    await Promise.all(files.map((file) => file.close()));
  };
  try {
    for (const name of names) {
      const shard = join(dirname(path), name);
      await refuseForeign(shard);
      files.push(await openPytorchWeights(shard));
    }
  } catch (error) {
    await close();
    throw error;
  }
  const top = files.flatMap(({ groups }) => groups.filter(({ key }) => key === ''));
  const all = {
    key: '',
    isList: false,
    tensors: new Map(top.flatMap(({ tensors }) => [...tensors])),
    unreadable: new Map(top.flatMap(({ unreadable }) => [...unreadable])),
  };
  return { path, groups: [all], facts: {}, unknown: [], close };
}

/** Opens a safetensors file, or the index of several: one group. */
async function openSafetensorsWeights(path: string): Promise<WeightsFile> {
  const file = await openTensors(path);
  const tensors: StateDict = new Map(
    [...file.tensors].map(([name, { shape, dtype }]) => [
      name,
      { shape, isFloating: isFloating(dtype), identity: name, read: () => file.readFloat32(name) },
    ]),
  );
  const groups = [{ key: '', tensors, isList: false, unreadable: new Map<string, string>() }];
  return { path, groups, facts: {}, unknown: [], close: () => file.close() };
}
