import { UserError } from '../base/errors.js';
import type { TorchValue } from './pytorch/checkpoint.js';
import { openTorchCheckpoint } from './pytorch/read.js';
import { TorchTensor } from './pytorch/tensor.js';
import { toFloat32 } from './safetensors/reader.js';
import { isSafetensorsPath, openTensors } from './safetensors/shards.js';

/**
 * Opens a file of weights: safetensors, or the index of several, by its name, anything else as PyTorch's. Only its structure is read, nothing
 * in it is executed, and its size does not matter.
 *
 * @throws UserError saying what is wrong with the file.
 */
export function openWeightsFile(path: string): Promise<WeightsFile> {
  return isSafetensorsPath(path) ? openSafetensorsWeights(path) : openPytorchWeights(path);
}

/** An open file of weights. Close it after its tensors have been read. */
export interface WeightsFile {
  readonly path: string;
  /** The weights, their moving average, or both. A file that does not say which it holds has `model`. */
  readonly parts: { readonly model?: StateDict; readonly ema?: StateDict };
  /** Other content of the file: options of the training, counters. */
  readonly facts: Readonly<Record<string, TorchValue>>;
  close(): Promise<void>;
}

/** A tensor of a file of weights, read when asked for. */
export interface StoredTensor {
  readonly shape: readonly number[];
  /** Reads its elements in row-major order, as single precision whatever the file holds. */
  read(): Promise<Float32Array>;
}

/** Tensors by name. */
export type StateDict = ReadonlyMap<string, StoredTensor>;

/** Prefixes that data-parallel training and compilation put before every name. */
const wrappers = /^(module\.|_orig_mod\.)+/;

/** A state dict without the prefix that all of its names share because the model was wrapped. */
function unwrapped(state: StateDict): StateDict {
  const names = [...state.keys()];
  if (names.length === 0 || !names.every((name) => wrappers.test(name))) return state;
  return new Map([...state].map(([name, tensor]) => [name.replace(wrappers, ''), tensor]));
}

/** Keys under which training scripts save the weights, by what they hold. */
const places = { model: ['model', 'state_dict', 'model_state_dict'], ema: ['ema'] } as const;

type Entries = Readonly<Record<string, TorchValue>>;

/**
 * Opens a PyTorch checkpoint that is a dictionary of state dicts, or a state dict itself.
 *
 * @throws UserError as `openTorchCheckpoint`; `checkpoint-without-weights` where there is neither.
 */
async function openPytorchWeights(path: string): Promise<WeightsFile> {
  const checkpoint = await openTorchCheckpoint(path);
  const top = entriesOf(checkpoint.value);
  const close = () => checkpoint.close();
  if (Object.values(top).some((value) => value instanceof TorchTensor))
    return { path, parts: { model: stateDict(top, path) }, facts: {}, close };
  const find = (part: keyof typeof places): StateDict | undefined => {
    const key = places[part].find((name) => Object.hasOwn(top, name));
    return key === undefined ? undefined : stateDict(entriesOf(top[key]), path);
  };
  const [model, ema] = [find('model'), find('ema')];
  if (model === undefined && ema === undefined) {
    await close();
    const keys = Object.keys(top);
    throw new UserError({
      code: 'checkpoint-without-weights',
      message: `${path}: expected a state dict, or "model" or "ema" with one; found ${keys.length === 0 ? 'neither' : `the keys ${keys.join(', ')}`}.`,
      remedy: 'Save the weights with torch.save({"model": model.state_dict()}, path).',
    });
  }
  const used = new Set<string>([...places.model, ...places.ema]);
  const facts = Object.fromEntries(Object.entries(top).filter(([key]) => !used.has(key)));
  return { path, parts: { ...(model && { model }), ...(ema && { ema }) }, facts, close };
}

/** The members of a dictionary; none for anything else. */
export function entriesOf(value: TorchValue | undefined): Entries {
  const isDictionary =
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof TorchTensor) &&
    !(value instanceof Uint8Array);
  return isDictionary ? (value as Entries) : {};
}

function stateDict(entries: Entries, path: string): StateDict {
  const tensors = Object.entries(entries).flatMap(([name, tensor]) =>
    tensor instanceof TorchTensor
      ? [
          [
            name,
            { shape: tensor.shape, read: async () => toFloat32(await tensor.read(), name, path) },
          ] as const,
        ]
      : [],
  );
  return unwrapped(new Map(tensors));
}

const partPrefix = /^(model|ema)\./;

/** Opens a safetensors file, or the index of several: one state dict, or two whose names begin with `model.` and `ema.`. */
async function openSafetensorsWeights(path: string): Promise<WeightsFile> {
  const file = await openTensors(path);
  const state: StateDict = new Map(
    [...file.tensors].map(([name, { shape }]) => [name, { shape, read: () => file.readFloat32(name) }]),
  );
  const close = () => file.close();
  const names = [...state.keys()];
  if (names.length === 0 || !names.every((name) => partPrefix.test(name)))
    return { path, parts: { model: unwrapped(state) }, facts: {}, close };
  const part = (prefix: string): StateDict | undefined => {
    const members = [...state].filter(([name]) => name.startsWith(prefix));
    if (members.length === 0) return undefined;
    return unwrapped(new Map(members.map(([name, tensor]) => [name.slice(prefix.length), tensor])));
  };
  const [model, ema] = [part('model.'), part('ema.')];
  return { path, parts: { ...(model && { model }), ...(ema && { ema }) }, facts: {}, close };
}
