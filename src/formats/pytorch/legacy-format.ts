import type { InputFile } from '../../base/input-file.js';
import { checkpointGlobal, invalidCheckpoint, largestPickle, storageReference } from './checkpoint.js';
import { PickledUnknown, PickleEndError, type PickleHost, textOf } from './pickle-machine.js';
import { unpickle } from './pickle.js';
import type { StorageSource, TorchStorage } from './tensor.js';

const magicNumber = 0x1950a86a20f9469cfc6cn;
const protocolVersion = 1001;

/** Length of a storage. */
interface Extent {
  readonly elements: number;
  readonly bytes: number;
}

/**
 * Reads the structure of a checkpoint as PyTorch wrote it before 1.6: five pickles (magic number, version, system,
 * content, storage keys), then each storage with its length before it.
 */
export async function readLegacyFormat(file: InputFile): Promise<unknown> {
  const { bytes: size, path } = file;
  for (let window = 1 << 20; ; window *= 4) {
    const head = new Uint8Array(Math.min(size, window));
    await file.read(head, 0);
    try {
      return await readHead(head, file);
    } catch (error) {
      if (!(error instanceof PickleEndError)) throw error;
      if (head.byteLength >= largestPickle) throw invalidCheckpoint(path, 'its pickles are too large', error);
      if (head.byteLength === size) throw invalidCheckpoint(path, 'it ends within a pickle', error);
    }
  }
}

async function readHead(head: Uint8Array, file: InputFile): Promise<unknown> {
  const { path } = file;
  const storages = new Map<string, Extent>();
  const places = new Map<string, number>();
  const host = makeHost(file, storages, places);
  let position = 0;
  const next = (): unknown => {
    const { value, end } = unpickle(head, position, host);
    position = end;
    return value;
  };
  if (next() !== magicNumber) throw invalidCheckpoint(path, 'it is a pickle that torch.save did not write');
  const version = next();
  if (version !== protocolVersion) throw invalidCheckpoint(path, `its version is ${textOf(version)}`);
  const system = next();
  if (system instanceof Map && system.get('little_endian') !== true) {
    throw invalidCheckpoint(path, 'its byte order is big');
  }
  const value = next();
  const keys = next();
  if (!Array.isArray(keys)) throw invalidCheckpoint(path, 'its list of storages is missing');
  await locateStorages(file, position, keys.map(textOf), storages, places);
  return value;
}

/** Finds where each storage's elements begin: they follow the pickles in the order of the keys. */
async function locateStorages(
  file: InputFile,
  start: number,
  keys: readonly string[],
  storages: ReadonlyMap<string, Extent>,
  places: Map<string, number>,
): Promise<void> {
  const { path, bytes: size } = file;
  let position = start;
  const listed = new Set(keys);
  for (const key of storages.keys())
    if (!listed.has(key)) throw invalidCheckpoint(path, `its storage ${key} is not in its list`);
  for (const key of keys) {
    const storage = storages.get(key);
    if (!storage) throw invalidCheckpoint(path, `nothing refers to its storage ${key}`);
    const length = Buffer.alloc(8);
    await file.read(length, position);
    const elements = Number(length.readBigInt64LE());
    if (elements !== storage.elements || elements < 0) {
      throw invalidCheckpoint(path, `storage ${key} has ${elements} elements instead of ${storage.elements}`);
    }
    places.set(key, position + 8);
    position += 8 + storage.bytes;
  }
  if (size < position)
    throw invalidCheckpoint(path, `it should have ${position} bytes, but ends after ${size}`);
}

function makeHost(
  file: InputFile,
  storages: Map<string, Extent>,
  places: ReadonlyMap<string, number>,
): PickleHost {
  const { path } = file;
  const source: StorageSource = {
    read: async (key, start, length) => {
      const bytes = new Uint8Array(length);
      await file.read(bytes, places.get(key)! + start);
      return bytes;
    },
  };
  return {
    global: checkpointGlobal,
    persistent: (id) => {
      const { type, key, elements, view } = storageReference(path, id);
      const { dtype } = type;
      storages.set(key, { elements, bytes: elements * type.elementBytes });
      if (dtype === undefined) return new PickledUnknown(`torch.${type.name}`);
      const root: TorchStorage = { source, key, dtype, elements, start: 0 };
      if (!Array.isArray(view)) return root;
      const [, start, length] = view as [unknown, unknown, unknown];
      if (!isCount(start) || !isCount(length) || start + length > elements)
        throw invalidCheckpoint(path, `a view reaches outside of its storage ${key}`);
      return { ...root, start, elements: length };
    },
  };
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
