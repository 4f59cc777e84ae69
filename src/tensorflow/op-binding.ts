/** Values of a tensor: numbers as a typed array, strings as their bytes. */
export type TensorValues = ArrayBufferView | readonly Uint8Array[];

/** A tensor of a binding: its number there, its TensorFlow data type and its shape. */
export interface TensorMetadata {
  readonly id: number;
  readonly dtype: number;
  readonly shape: number[];
}

/** Runtime that tfjs-node's kernels need: tensors named by integers, and operations on them. */
export interface OpBinding {
  createTensor(shape: readonly number[], dtype: number, values: TensorValues): number;
  deleteTensor(id: number): void;
  tensorDataSync(id: number): Float32Array | Int32Array | Uint8Array;
  executeOp(
    name: string,
    attributes: readonly OpAttribute[],
    inputs: readonly number[],
    outputs: number,
  ): TensorMetadata[];
}

/** Recorded tensors are numbered from here, eager ones below. */
export const firstRecordedId = 2 ** 40;

/** Refuses a recorded tensor where a value is needed. */
export function refuseRecorded(): never {
  throw new Error(
    'This tensor belongs to a traced function and has no value outside of it: return it from the function.',
  );
}

/** Kinds of operation attributes, numbered as `TF_AttrType` in TensorFlow's C API. */
export const AttributeKind = { string: 0, int: 1, float: 2, bool: 3, type: 4, shape: 5, tensor: 6 } as const;

/** An attribute of an operation as tfjs-node's kernels describe it. */
export interface OpAttribute {
  readonly name: string;
  readonly type: number;
  readonly value: boolean | number | object | string | number[];
}
