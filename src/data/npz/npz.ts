import type { FileSeal } from '../../files/output-file.js';
import { bytesOf, elementCount, type TypedArray } from '../typed-arrays.js';
import { ZipArchive } from '../zip/reader.js';
import { writeZip, type ZipEntrySource } from '../zip/writer.js';
import { decodeNpy, encodeNpyHeader, npyArrayTypes, type NpyArray, type NpyDtype } from './npy.js';

/**
 * An array to write. `data` may be a function, called when its turn comes, that gives the elements in parts: only one
 * part is held at a time.
 */
export interface NpyArraySource {
  readonly name: string;
  readonly dtype: NpyDtype;
  readonly shape: readonly number[];
  readonly data: TypedArray | (() => Iterable<TypedArray> | AsyncIterable<TypedArray>);
}

/** Writes arrays as NumPy's `savez` does (uncompressed), whole or not at all. A lone array is by custom `arr_0`. */
export function writeNpz(path: string, arrays: Iterable<NpyArraySource>): Promise<FileSeal> {
  return writeZip(path, Array.from(arrays, entryOf));
}

function entryOf({ name, dtype, shape, data }: NpyArraySource): ZipEntrySource {
  const header = encodeNpyHeader(dtype, shape);
  const ArrayType = npyArrayTypes[dtype];
  return {
    name: `${name}.npy`,
    bytes: header.byteLength + elementCount(shape) * ArrayType.BYTES_PER_ELEMENT,
    content: async function* () {
      yield header;
      for await (const part of typeof data === 'function' ? data() : [data]) {
        if (!(part instanceof ArrayType)) throw new TypeError(`array "${name}" needs ${ArrayType.name}s`);
        yield bytesOf(part);
      }
    },
  };
}

/** An open `.npz` file. Close it after use. */
export class NpzFile {
  readonly #archive: ZipArchive;

  private constructor(archive: ZipArchive) {
    this.#archive = archive;
  }

  /** @throws UserError `file-missing` or `zip-invalid`. */
  static async open(path: string): Promise<NpzFile> {
    return new NpzFile(await ZipArchive.open(path));
  }

  /** Names of the arrays. */
  get names(): readonly string[] {
    return this.#archive.names.filter((name) => name.endsWith(extension)).map((name) => name.slice(0, -4));
  }

  /** @throws UserError `npy-invalid`, or `zip-invalid` when there is no such array or it is damaged. */
  async read(name: string): Promise<NpyArray> {
    const entry = `${name}${extension}`;
    return decodeNpy(await this.#archive.read(entry), `${this.#archive.path}: ${entry}`);
  }

  close(): Promise<void> {
    return this.#archive.close();
  }
}

const extension = '.npy';
