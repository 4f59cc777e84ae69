/** Kinds of operation attributes, numbered as `TF_AttrType` in TensorFlow's C API. */
export const AttributeKind = { string: 0, int: 1, float: 2, bool: 3, type: 4, shape: 5, tensor: 6 } as const;

/** An attribute of an operation as tfjs-node's kernels describe it. */
export interface OpAttribute {
  readonly name: string;
  readonly type: number;
  readonly value: boolean | number | object | string | number[];
}
