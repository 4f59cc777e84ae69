import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { asUserError } from '../../base/files.js';
import { readInputText } from '../../base/input-file.js';
import { type FileSeal, writeFileWhole } from '../../base/output-file.js';
import { refuseFailedCopy } from '../foreign-file.js';
import { elementCount } from '../typed-arrays.js';
import { elementBytes, invalid, type TensorData, type TensorInfo } from './header.js';
import { openSafetensors, type SafetensorsFile } from './reader.js';
import { indexEnding, isIndexPath, largestHeader, placesIn } from './shard-index.js';
import { byLayout, type TensorSource, writeSafetensors } from './writer.js';

/** Files are kept below this size, which some file systems and tools end at. */
const largestFileBytes = 2 ** 31 - 1;

/** Bytes that a header needs for a tensor beside its name: its type, shape and offsets. */
const entryBytes = 160;

/** Tensors by name, read when asked for: of one file, or of several with an index. Close it after use. */
export type TensorReader = Pick<
  SafetensorsFile,
  'path' | 'metadata' | 'tensors' | 'read' | 'readFloat32' | 'close'
>;

/**
 * Writes tensors as `NAME.safetensors` or, where that would be too large, as `NAME-00001-of-00003.safetensors` and on,
 * with `NAME.safetensors.index.json` as Hugging Face's libraries write and read it. Each file appears whole or not at
 * all. Tensors are asked for one after the other, in the order of `byLayout`.
 *
 * @param limit bytes of a file; one tensor that is larger has a file to itself
 * @returns the seal of each file, by its name
 */
export async function writeShards(
  directory: string,
  name: string,
  tensors: Iterable<TensorSource>,
  limit = largestFileBytes,
): Promise<Record<string, FileSeal>> {
  const shards = split([...tensors].sort(byLayout), limit);
  const seals: Record<string, FileSeal> = {};
  const places: Record<string, string> = {};
  for (const [i, shard] of shards.entries()) {
    const file = shardName(name, i, shards.length);
    seals[file] = await writeSafetensors(join(directory, file), shard);
    for (const tensor of shard) places[tensor.name] = file;
  }
  if (shards.length === 1) return seals;
  const bytes = shards.flat().reduce((sum, tensor) => sum + bytesOfTensor(tensor), 0);
  const index = { metadata: { total_size: bytes }, weight_map: places };
  const file = `${name}${indexEnding}`;
  seals[file] = await writeFileWhole(join(directory, file), JSON.stringify(index, undefined, 2) + '\n');
  return seals;
}

/** Path of what `writeShards` wrote under a name, as `openTensors` takes it. */
export function tensorsPath(directory: string, name: string): string {
  const index = join(directory, `${name}${indexEnding}`);
  return existsSync(index) ? index : join(directory, `${name}.safetensors`);
}

/**
 * Opens a safetensors file, or all files of an index.
 *
 * @throws UserError as `openSafetensors`, and `safetensors-invalid` for an index that is none
 */
export async function openTensors(path: string): Promise<TensorReader> {
  return isIndexPath(path) ? ShardedTensors.open(path) : openSafetensors(path);
}

class ShardedTensors implements TensorReader {
  readonly metadata = {};

  private constructor(
    readonly path: string,
    private readonly files: ReadonlyMap<string, SafetensorsFile>,
    private readonly places: Readonly<Record<string, string>>,
    readonly tensors: ReadonlyMap<string, TensorInfo>,
  ) {}

  static async open(path: string): Promise<ShardedTensors> {
    const places = await readIndex(path);
    const files = new Map<string, SafetensorsFile>();
    try {
      for (const name of new Set(Object.values(places))) {
        const shard = join(dirname(path), name);
        await refuseFailedCopy(shard);
        files.set(name, await openSafetensors(shard));
      }
      const tensors = Object.entries(places).map(([name, file]): [string, TensorInfo] => {
        const info = files.get(file)!.tensors.get(name);
        if (info === undefined)
          throw invalid(path, `it places the tensor "${name}" in ${file}, which has none`);
        return [name, info];
      });
      return new ShardedTensors(path, files, places, new Map(tensors));
    } catch (error) {
      await Promise.all([...files.values()].map((file) => file.close()));
      throw error;
    }
  }

  read(name: string): Promise<TensorData> {
    return this.fileOf(name).read(name);
  }

  readFloat32(name: string): Promise<Float32Array> {
    return this.fileOf(name).readFloat32(name);
  }

  async close(): Promise<void> {
    await Promise.all([...this.files.values()].map((file) => file.close()));
  }

  /** Finds the file of a tensor; the first, which reports it missing, for a tensor that is in none. */
  private fileOf(name: string): SafetensorsFile {
    const place = Object.hasOwn(this.places, name) ? this.places[name] : undefined;
    return this.files.get(place ?? '') ?? [...this.files.values()][0]!;
  }
}

/** The file of each tensor. @throws UserError `safetensors-invalid` */
export async function readIndex(path: string): Promise<Readonly<Record<string, string>>> {
  const readable = async () => {
    await refuseFailedCopy(path);
    const { size } = await stat(path);
    if (size > largestHeader) throw invalid(path, `an index of ${size} bytes is too large`);
    return readInputText(path);
  };
  const text = await readable().catch((error: unknown) => {
    throw asUserError(error, path);
  });
  let places: ReturnType<typeof placesIn>;
  try {
    places = placesIn(text);
  } catch (cause) {
    throw invalid(path, 'it is not JSON', cause);
  }
  if (places === undefined) throw invalid(path, 'its "weight_map" does not name a file for each tensor');
  return places;
}

function split(tensors: readonly TensorSource[], limit: number): TensorSource[][] {
  const shards: TensorSource[][] = [[]];
  let bytes = 0;
  for (const tensor of tensors) {
    const own = bytesOfTensor(tensor) + tensor.name.length + entryBytes;
    if (bytes + own > limit && shards.at(-1)!.length > 0) {
      shards.push([]);
      bytes = 0;
    }
    shards.at(-1)!.push(tensor);
    bytes += own;
  }
  return shards;
}

function bytesOfTensor({ dtype, shape }: TensorSource): number {
  return elementCount(shape) * elementBytes[dtype];
}

function shardName(name: string, i: number, count: number): string {
  if (count === 1) return `${name}.safetensors`;
  const padded = (number: number) => String(number).padStart(5, '0');
  return `${name}-${padded(i + 1)}-of-${padded(count)}.safetensors`;
}
