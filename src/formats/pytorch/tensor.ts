import { arrayTypes, elementBytes, type SafetensorsDtype, type TensorData } from '../safetensors/header.js';
import { elementCount, type TypedArray } from '../typed-arrays.js';

/** Source of the bytes of storages. */
export interface StorageSource {
  /** Reads bytes of the storage with a key. */
  read(key: string, start: number, length: number): Promise<Uint8Array>;
}

/** A run of elements in a checkpoint that tensors view; several may view the same. */
export interface TorchStorage {
  readonly source: StorageSource;
  readonly key: string;
  readonly dtype: SafetensorsDtype;
  readonly elements: number;
  /** First element, where this storage is itself a view of the one with the key. */
  readonly start: number;
}

/** Elements that a tensor of strides of zero may make of fewer. */
const mostRepeated = 2 ** 20;

/** View that a tensor has of its storage. */
interface TensorView {
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  /** Present and true where its elements are those of the storage with the other sign. */
  readonly isNegated?: boolean;
}

/** A tensor of a checkpoint, read when asked for. */
export class TorchTensor {
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  private readonly storage: TorchStorage;
  private readonly offset: number;
  private readonly strides: readonly number[];
  private readonly isNegated: boolean;

  /** @throws RangeError when the tensor would reach outside of its storage. */
  constructor(storage: TorchStorage, { offset, shape, strides, isNegated = false }: TensorView) {
    this.dtype = storage.dtype;
    this.shape = shape;
    this.storage = storage;
    this.offset = offset;
    this.strides = strides;
    this.isNegated = isNegated;
    const sizes = [offset, ...shape, ...strides];
    const isSound =
      shape.length === strides.length && sizes.every((size) => Number.isSafeInteger(size) && size >= 0);
    if (!isSound || offset + this.extent > storage.elements) {
      throw new RangeError(
        `a tensor of shape [${shape.slice(0, 8).join(', ')}] reaches outside of its storage ${storage.key} of ${storage.elements} elements`,
      );
    }
    if (elementCount(shape) > Math.max(storage.elements, mostRepeated))
      throw new RangeError(
        `a tensor of shape [${shape.slice(0, 8).join(', ')}] repeats the ${storage.elements} elements of its storage ${storage.key}`,
      );
  }

  /** Text that is the same for two tensors that show the same elements. */
  get identity(): string {
    const { key, start, dtype } = this.storage;
    return [key, start, dtype, this.offset, this.shape, this.strides, this.isNegated].join(' ');
  }

  /** The tensor's elements in row-major order, whatever its strides. */
  async read(): Promise<TensorData> {
    const { source, key, dtype, start } = this.storage;
    const bytes = elementBytes[dtype];
    const ArrayType = arrayTypes[dtype];
    const raw = await source.read(key, (start + this.offset) * bytes, this.extent * bytes);
    const elements = new ArrayType(new Uint8Array(raw).buffer);
    const data = this.isContiguous ? elements : this.gathered(elements);
    if (this.isNegated) negate(dtype, data);
    return { dtype, shape: this.shape, data };
  }

  /** Elements from the first to the last that belongs to the tensor. */
  private get extent(): number {
    if (elementCount(this.shape) === 0) return 0;
    return this.shape.reduce((last, size, axis) => last + (size - 1) * this.strides[axis]!, 1);
  }

  private get isContiguous(): boolean {
    let expected = 1;
    for (let axis = this.shape.length - 1; axis >= 0; axis--) {
      if (this.shape[axis] !== 1 && this.strides[axis] !== expected) return false;
      expected *= this.shape[axis]!;
    }
    return true;
  }

  private gathered(elements: TypedArray): TypedArray {
    const count = elementCount(this.shape);
    const out = new arrayTypes[this.dtype](new ArrayBuffer(count * elementBytes[this.dtype]));
    const at = this.shape.map(() => 0);
    let from = 0;
    for (let to = 0; to < count; to++) {
      out[to] = elements[from]!;
      for (let axis = at.length - 1; axis >= 0; axis--) {
        from += this.strides[axis]!;
        if (++at[axis]! < this.shape[axis]!) break;
        from -= this.strides[axis]! * this.shape[axis]!;
        at[axis] = 0;
      }
    }
    return out;
  }
}

/** Changes the sign of every element: of a bit pattern its first bit. */
function negate(dtype: SafetensorsDtype, data: TypedArray): void {
  const signBit = { F16: 0x8000, BF16: 0x8000, F8_E4M3: 0x80, F8_E5M2: 0x80 } as const;
  const bit = dtype in signBit ? signBit[dtype as keyof typeof signBit] : undefined;
  for (let i = 0; i < data.length; i++) {
    const value = data[i]!;
    data[i] = bit === undefined || typeof value === 'bigint' ? -value : value ^ bit;
  }
}
