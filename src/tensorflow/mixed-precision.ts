import { DataTypeCode } from './data-types.js';
import type { Graph, Output } from './graph.js';

const { bfloat16, float32 } = DataTypeCode;

/** Operations that take bfloat16 and sum in float32, and gain by it. */
const products: ReadonlySet<string> = new Set(['MatMul', 'BatchMatMulV2', '_FusedMatMul']);

/** Operations that copy numbers and compute none: nothing is lost where they take bfloat16. */
const movements: ReadonlySet<string> = new Set([
  'ConcatV2',
  'ExpandDims',
  'Identity',
  'Reshape',
  'Slice',
  'Split',
  'SplitV',
  'Squeeze',
  'Transpose',
]);

/**
 * Precision in which the operations of a traced program take their inputs, all of which are float32 to the program
 * itself: where the graph is written in mixed precision, products take and give bfloat16, what moves their results
 * leaves them so, and everything else computes in float32.
 *
 * TensorFlow's rewriting does as much to a finished graph, but not within functions that XLA compiles: it puts casts
 * around them. Source: Micikevicius et al., "Mixed precision training", arXiv 1710.03740.
 */
export class MixedPrecision {
  /** Tensors in bfloat16 that products take, by the output they were made of. */
  private readonly lower = new Map<string, Output>();

  constructor(private readonly graph: Graph) {}

  /** Operands that the operation `name` takes in place of `inputs`. */
  operands(name: string, inputs: readonly Output[]): Output[] {
    if (this.graph.mixed && products.has(name)) return inputs.map((input) => this.lowered(input));
    const moved = movements.has(name) && !inputs.some((input) => this.graph.dataTypeOf(input) === float32);
    return moved ? [...inputs] : inputs.map((input) => this.full(input));
  }

  /** x, in bfloat16 where it is float32. */
  lowered(x: Output): Output {
    const key = `${x.operation}:${x.index}`;
    const known =
      this.lower.get(key) ?? (this.graph.dataTypeOf(x) === float32 ? this.graph.cast(x, 'bfloat16') : x);
    this.lower.set(key, known);
    return known;
  }

  /** x, in float32 where it is bfloat16: anew for each use, so that none is kept from the forward pass to the backward. */
  full(x: Output): Output {
    return this.graph.dataTypeOf(x) === bfloat16 ? this.graph.cast(x, 'float32') : x;
  }
}
