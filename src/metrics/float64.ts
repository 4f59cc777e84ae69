import {
  float32,
  type Graph,
  type HostTensor,
  type Output,
  type RuntimeOptions,
  Session,
} from '../tensorflow/index.js';

/**
 * Computes in float64 in a session of the CPU, off the event loop. Hosts hold no float64: it crosses as pairs of int32.
 *
 * @param signal ends the wait at once; a kernel under way goes on to its end, some seconds for 2,048 features
 * @throws the signal's reason
 */
export async function inFloat64<Result>(
  runtime: RuntimeOptions,
  signal: AbortSignal | undefined,
  work: (session: Session) => Promise<Result>,
): Promise<Result> {
  signal?.throwIfAborted();
  const session = new Session({ ...runtime, device: 'cpu', precision: 'float32' });
  let abort: (() => void) | undefined;
  try {
    const aborted = new Promise<never>((_, reject) => {
      abort = () => {
        reject(signal!.reason as Error);
      };
      signal?.addEventListener('abort', abort);
    });
    return await Promise.race([work(session), aborted]);
  } finally {
    if (abort !== undefined) signal?.removeEventListener('abort', abort);
    const closed = session.close();
    if (signal?.aborted !== true) await closed;
  }
}

/** A float64 tensor as pairs of int32, for a fetch. */
export const asPairs = (graph: Graph, value: Output): Output =>
  graph.node('Bitcast', [value], { type: { type: 'int32' } });

/** The float64 numbers of such pairs. */
export function asFloat64({ data }: HostTensor): Float64Array {
  const { buffer, byteOffset, byteLength } = data as Int32Array;
  return byteOffset % Float64Array.BYTES_PER_ELEMENT === 0
    ? new Float64Array(buffer, byteOffset, byteLength / Float64Array.BYTES_PER_ELEMENT)
    : new Float64Array(buffer.slice(byteOffset, byteOffset + byteLength));
}

/** Sums of a portion of rows: their mean, and the products of deviations from it, summed. */
export interface PortionSums {
  readonly count: number;
  readonly mean: Float64Array;
  /** Lower half of the products: block after block of columns, each with all columns up to its own last. */
  readonly products: readonly Float64Array[];
}

/** Blocks of columns: the upper half of the products, which repeats the lower, is left out but for what blocks have of it. */
const mostBlocks = 8;

/** First columns of the blocks, and the number of columns after the last. */
export function blockEdges(width: number): readonly number[] {
  const blocks = Math.min(mostBlocks, width);
  return Array.from({ length: blocks + 1 }, (_, i) => Math.round((i * width) / blocks));
}

/** A function that sums portions of rows in a session, which makes its graph for each number of rows once. */
export function portionSums(session: Session, width: number): (rows: Float32Array) => Promise<PortionSums> {
  const { graph } = session;
  const edges = blockEdges(width);
  const made = new Map<number, readonly [Output, readonly Output[]]>();
  const indices = (...values: number[]) =>
    graph.constant({ dtype: 'int32', shape: [values.length], data: Int32Array.from(values) });
  const make = (count: number): readonly [Output, readonly Output[]] => {
    const input = graph.placeholder('float32', [count, width]);
    const values = graph.node('Cast', [input], { SrcT: { type: 'float32' }, DstT: { type: 'float64' } });
    const mean = graph.node('Mean', [values, indices(0)], { keep_dims: { bool: true } });
    const deviations = graph.node('Sub', [values, mean]);
    const columns = (first: number, end: number) =>
      graph.node('Slice', [deviations, indices(0, first), indices(count, end - first)]);
    const products = edges.slice(1).map((end, i) => {
      const block = columns(edges[i]!, end);
      return graph.node('MatMul', [block, columns(0, end)], { transpose_a: { bool: true } });
    });
    return [input, [mean, ...products].map((output) => asPairs(graph, output))];
  };
  return async (rows) => {
    const count = rows.length / width;
    const [input, outputs] = made.get(count) ?? make(count);
    made.set(count, [input, outputs]);
    const found = await session.run([[input, float32([count, width], rows)]], outputs);
    const [mean, ...products] = found.map(asFloat64);
    return { count, mean: mean!, products };
  };
}
