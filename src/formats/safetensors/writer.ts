import { type FileSeal, writeOutputFile } from '../../base/output-file.js';
import { bytesOf, elementCount, type TypedArray } from '../typed-arrays.js';
import { arrayTypes, elementBytes, prefixBytes, type SafetensorsDtype } from './header.js';

/** A tensor to write. `data` may be a function, called when its turn comes: one tensor is held at a time. */
export interface TensorSource {
  readonly name: string;
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  readonly data: TypedArray | (() => TypedArray | Promise<TypedArray>);
}

/**
 * Writes a safetensors file whole or not at all. The same tensors and metadata give the same bytes in whatever
 * order they are given: tensors are laid out by descending element size, so that each is aligned, then by name.
 *
 * @throws UserError for a full disk or a folder that cannot be written to.
 */
export function writeSafetensors(
  path: string,
  tensors: Iterable<TensorSource>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<FileSeal> {
  const sources = [...tensors].sort(byLayout);
  const header = encodeHeader(sources, metadata);
  return writeOutputFile(path, async (file) => {
    await file.write(header);
    for (const source of sources) {
      const data = typeof source.data === 'function' ? await source.data() : source.data;
      checkData(source, data);
      await file.write(bytesOf(data));
    }
  });
}

/** The order in which tensors lie in a file. */
export function byLayout(a: TensorSource, b: TensorSource): number {
  return elementBytes[b.dtype] - elementBytes[a.dtype] || (a.name < b.name ? -1 : 1);
}

function encodeHeader(
  sources: readonly TensorSource[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const entries = new Map<string, unknown>();
  if (Object.keys(metadata).length > 0) {
    entries.set(
      '__metadata__',
      Object.fromEntries(Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1))),
    );
  }
  let offset = 0;
  for (const { name, dtype, shape } of sources) {
    if (entries.has(name)) throw new Error(`two tensors are named "${name}"`);
    const end = offset + elementCount(shape) * elementBytes[dtype];
    entries.set(name, { dtype, shape, data_offsets: [offset, end] });
    offset = end;
  }
  const members = [...entries].map(([key, entry]) => `${JSON.stringify(key)}:${JSON.stringify(entry)}`);
  const text = Buffer.from(`{${members.join(',')}}`);
  const length = Math.ceil(text.byteLength / prefixBytes) * prefixBytes;
  const header = Buffer.alloc(prefixBytes + length, ' ');
  header.writeBigUInt64LE(BigInt(length));
  text.copy(header, prefixBytes);
  return header;
}

function checkData({ name, dtype, shape }: TensorSource, data: TypedArray): void {
  const expected = elementCount(shape);
  if (!(data instanceof arrayTypes[dtype]) || data.length !== expected) {
    throw new Error(
      `tensor "${name}" needs a ${arrayTypes[dtype].name} of ${expected}, was given a ${data.constructor.name} of ${data.length}`,
    );
  }
}
