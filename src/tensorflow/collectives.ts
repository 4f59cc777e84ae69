import { type HostTensor, int32, sizeOf } from './data-types.js';
import type { Graph, Output } from './graph.js';
import type { Session } from './session.js';

/** Method by which workers exchange tensors. */
interface Exchange {
  readonly hint: 'ring' | 'nccl';
  /** Tensors are reduced together in portions of about this many bytes: fewer exchanges than tensors. */
  readonly portionBytes: number;
  /** True when portions go one after the other, from the last tensors to the first, as gradients become ready. */
  readonly inOrder: boolean;
}

/** Between processors, several portions at once. */
const ring: Exchange = { hint: 'ring', portionBytes: 4 * 2 ** 20, inOrder: false };
/** Between GPUs, without the host. NCCL waits for ever where two processes begin its exchanges in different orders. */
const nccl: Exchange = { hint: 'nccl', portionBytes: 25 * 2 ** 20, inOrder: true };

/**
 * The mean of each tensor over all workers, the same to the bit on every one. All workers must build the same
 * graph, and run it as often. Without a group the tensors are returned as they are.
 *
 * @param tensors float32, of known shapes
 */
export function meanOverWorkers(session: Session, tensors: readonly Output[]): readonly Output[] {
  const { graph, server } = session;
  if (server === undefined || server.size === 1) return tensors;
  const exchange = session.onGpu ? nccl : ring;
  const sizes = tensors.map((tensor) => sizeOf(graph.shapeOf(tensor)));
  const means: Output[] = [];
  let before: Output | undefined;
  const inOrder = portions(sizes, exchange.portionBytes);
  for (const portion of exchange.inOrder ? inOrder.reverse() : inOrder) {
    const members = portion.map((i) => tensors[i]!);
    const flat = members.map((tensor) => graph.node('Reshape', [tensor, integers(graph, [-1])]));
    const together = flat.length === 1 ? flat[0]! : graph.node('ConcatV2', [...flat, integer(graph, 0)]);
    const sum = reduce(session, together, exchange, before);
    before = sum;
    const mean = graph.node('Mul', [sum, graph.scalar(1 / server.size)]);
    const lengths = portion.map((i) => sizes[i]!);
    const parts =
      flat.length === 1
        ? [mean]
        : graph.outputs(
            graph.add('SplitV', [mean, integers(graph, lengths), integer(graph, 0)], {
              num_split: { int: lengths.length },
            }),
          );
    for (const [k, i] of portion.entries())
      means[i] = graph.node('Reshape', [parts[k]!, integers(graph, graph.shapeOf(tensors[i]!))]);
  }
  return means;
}

/** Sum over the workers. */
function reduce(
  { graph, server, nextCollective }: Session,
  input: Output,
  { hint, inOrder }: Exchange,
  before: Output | undefined,
): Output {
  const groupKey = 1;
  return graph.node(
    'CollectiveReduceV2',
    [input, integer(graph, server!.size), integer(graph, groupKey), integer(graph, nextCollective())],
    {
      merge_op: { string: 'Add' },
      final_op: { string: 'Id' },
      communication_hint: { string: hint },
    },
    inOrder && before !== undefined ? { after: [before.operation] } : {},
  );
}

/** Indices of successive tensors that go together. */
function portions(sizes: readonly number[], portionBytes: number): number[][] {
  const result: number[][] = [];
  let bytes = Infinity;
  for (const [i, size] of sizes.entries()) {
    if (bytes + 4 * size > portionBytes && bytes > 0) {
      result.push([]);
      bytes = 0;
    }
    result.at(-1)!.push(i);
    bytes += 4 * size;
  }
  return result;
}

function integer(graph: Graph, value: number): Output {
  return graph.constant({ dtype: 'int32', shape: [], data: Int32Array.of(value) } satisfies HostTensor);
}

function integers(graph: Graph, values: readonly number[]): Output {
  return graph.constant(int32([values.length], Int32Array.from(values)));
}
