import {
  int32,
  nativeBackend,
  type Output,
  type RuntimeOptions,
  Session,
} from '../../src/tensorflow/index.js';
import { computesBfloat16 } from '../../src/tensorflow/runtime-options.js';
import { bestOf } from './best-of.js';
import { flopsOf, type Product } from './products.js';

/** Products of one shape that a measurement runs one after the other, of different matrices. */
const copies = 3;

/**
 * Seconds that some matrix products take by themselves: each shape is timed alone, on matrices that nothing else
 * touches, and counted as often as the model has it.
 */
export async function secondsOf(
  products: readonly Product[],
  runtime: RuntimeOptions,
  repeats: number,
): Promise<number> {
  let seconds = 0;
  for (const product of products) seconds += product.count * (await secondsOfOne(product, runtime, repeats));
  return seconds;
}

/** Their rate, in GFLOP/s. */
export function rateOf(products: readonly Product[], seconds: number): number {
  return flopsOf(products) / seconds / 1e9;
}

async function secondsOfOne(product: Product, runtime: RuntimeOptions, repeats: number): Promise<number> {
  const { batch, rows, inner, columns, transposed } = product;
  const place = nativeBackend(runtime).placeOf(runtime);
  const dtype = runtime.precision === 'bfloat16' && computesBfloat16(place) ? 'bfloat16' : 'float32';
  const session = new Session(runtime);
  try {
    const { graph } = session;
    const initializers: bigint[] = [];
    const matrix = (height: number, width: number): ((after: readonly bigint[]) => Output) => {
      const shape = batch === 1 ? [height, width] : [batch, height, width];
      const name = `matrix ${initializers.length}`;
      const attributes = { dtype: { type: dtype }, shape: { shape } } as const;
      const handle = graph.node('VarHandleOp', [], {
        ...attributes,
        shared_name: { string: name },
        container: { string: '' },
      });
      const extents = graph.constant(int32([shape.length], Int32Array.from(shape)));
      const value = graph.node('Cast', [graph.node('Fill', [extents, graph.scalar(0.37)])], {
        DstT: { type: dtype },
      });
      initializers.push(graph.add('AssignVariableOp', [handle, value], { dtype: { type: dtype } }));
      return (after) => graph.node('ReadVariableOp', [handle], { dtype: { type: dtype } }, { after });
    };
    const first = transposed === 'first' ? matrix(inner, rows) : matrix(rows, inner);
    const flags =
      batch === 1
        ? { transpose_a: { bool: transposed === 'first' }, transpose_b: { bool: transposed === 'second' } }
        : { adj_x: { bool: transposed === 'first' }, adj_y: { bool: transposed === 'second' } };
    // All are targets: what nothing reads and nobody asks for is removed from the graph.
    const targets: bigint[] = [];
    for (let i = 0; i < copies; i++) {
      const before = targets.slice(-1);
      const second = transposed === 'second' ? matrix(columns, inner) : matrix(inner, columns);
      targets.push(
        graph.add(batch === 1 ? 'MatMul' : 'BatchMatMulV2', [first(before), second(before)], flags),
      );
    }
    await session.run([], [], initializers);
    const call = () => session.run([], [], targets);
    return (await bestOf(call, repeats)) / copies;
  } finally {
    await session.close();
  }
}
