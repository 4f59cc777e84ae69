import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  compile,
  float32,
  floats,
  nativeBackend,
  Session,
  sizeOf,
  type Tensor,
} from '../../src/tensorflow/index.js';

let session: Session;
beforeEach(() => {
  nativeBackend();
  session = new Session({ device: 'cpu', rewriting: false });
});
afterEach(() => session.close());

/** Numbers of x with its axes in another order, one by one. */
function transposed(shape: readonly number[], order: readonly number[]): Float32Array {
  const strides = shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
  const to = order.map((axis) => shape[axis]!);
  return Float32Array.from({ length: sizeOf(shape) }, (_, index) => {
    let rest = index;
    let source = 0;
    for (let axis = to.length - 1; axis >= 0; axis--) {
      source += (rest % to[axis]!) * strides[order[axis]!]!;
      rest = Math.floor(rest / to[axis]!);
    }
    return source;
  });
}

test.each<[string, number[], number[], boolean]>([
  ['heads first', [2, 3, 5, 4], [2, 0, 1, 3], true],
  ['an odd last axis', [2, 3, 5, 3], [2, 0, 1, 3], false],
  ['another last axis', [2, 3, 4], [0, 2, 1], false],
  ['a single word', [3, 4, 2], [1, 0, 2], true],
  ['a matrix', [3, 4], [1, 0], false],
])('transposes %s', async (_, shape, order, inWords) => {
  const program = compile(({ x }: { x: Tensor }) => ({ y: x.transpose(order).add(0) }), { session });
  const x = float32(
    shape,
    Float32Array.from({ length: sizeOf(shape) }, (_, i) => i),
  );
  const { y } = await program.call({ x });
  expect(y.shape).toEqual(order.map((axis) => shape[axis]));
  expect(floats(y)).toEqual(transposed(shape, order));
  const names = Array.from({ length: session.graph.size }, (_, i) => `Bitcast_${i}`);
  expect(names.some((name) => session.graph.find(name) !== undefined)).toBe(inWords);
});
