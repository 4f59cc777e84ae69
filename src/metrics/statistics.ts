import { argumentError } from '../base/errors.js';
import { DataTypeCode, engineKind, float32, int32 } from '../tensorflow/index.js';
import type { Output, RuntimeOptions, Session } from '../tensorflow/index.js';
import { asFloat64, asPairs, inFloat64 } from './float64.js';
import type { Rows, SquareMatrix } from './linear-algebra.js';
import type { StoredRows } from './manifold.js';

/** Mean `[width]` and sample covariance `[width, width]` of a set of features. */
export interface FeatureStatistics {
  readonly count: number;
  readonly mean: Float64Array;
  readonly covariance: SquareMatrix;
}

/**
 * Mean and covariance of features that come in portions, in double precision and in memory that does not grow with
 * their number. Each portion is centred on its own mean before its squares are summed, so that large means cost no
 * digits.
 *
 * Source: Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979).
 */
export class StatisticsAccumulator {
  private count = 0;
  private readonly mean: Float64Array;
  /** Lower half of the sum of the products of deviations from the mean. */
  private readonly scatter: Float64Array;

  constructor(readonly width: number) {
    this.mean = new Float64Array(width);
    this.scatter = new Float64Array(width * width);
  }

  add(rows: Rows): void {
    const { width } = this;
    if (rows.width !== width) throw argumentError(`Features have ${width} numbers, found ${rows.width}.`);
    if (rows.count === 0) return;
    const own = meanOf(rows);
    const row = () => new Float64Array(width);
    const group: Group = [row(), row(), row(), row()];
    for (let first = 0; first < rows.count; first += group.length) {
      for (const [k, deviation] of group.entries()) {
        const at = (first + k) * width;
        if (first + k >= rows.count) deviation.fill(0);
        else for (let i = 0; i < width; i++) deviation[i] = rows.data[at + i]! - own[i]!;
      }
      this.addProducts(group);
    }
    this.combine(rows.count, own);
  }

  /** Takes the mean of rows whose deviations from it have been added into that of all. */
  private combine(count: number, own: Float64Array): void {
    const { width, mean } = this;
    const total = this.count + count;
    const share = Math.sqrt((this.count * count) / total);
    const deviation = mean.map((value, i) => own[i]! - value);
    const none = new Float64Array(width);
    if (share > 0) this.addProducts([deviation.map((value) => value * share), none, none, none]);
    for (let i = 0; i < width; i++) mean[i]! += (deviation[i]! * count) / total;
    this.count = total;
  }

  /** The statistics of what was added. Throws a UserError for fewer than two rows. */
  result(): FeatureStatistics {
    const { width, count } = this;
    requireTwo(count);
    const data = new Float64Array(width * width);
    for (let i = 0; i < width; i++)
      for (let j = 0; j <= i; j++)
        data[i * width + j] = data[j * width + i] = this.scatter[i * width + j]! / (count - 1);
    return { count, mean: this.mean.slice(), covariance: { size: width, data } };
  }

  /** Adds the products of several rows at once: the sums, which are too many for a cache, are gone through once. */
  private addProducts([a, b, c, d]: Group): void {
    const { width, scatter } = this;
    for (let i = 0; i < width; i++) {
      const [ai, bi, ci, di] = [a[i]!, b[i]!, c[i]!, d[i]!];
      const start = i * width;
      for (let j = 0; j <= i; j++) scatter[start + j]! += ai * a[j]! + bi * b[j]! + ci * c[j]! + di * d[j]!;
    }
  }
}

/** Rows whose products are added together. */
type Group = readonly [Float64Array, Float64Array, Float64Array, Float64Array];

/** Blocks of columns: the upper half of the products, which repeats the lower, is left out but for what blocks have of it. */
const mostBlocks = 8;

/** First columns of the blocks, and the number of columns after the last. */
function blockEdges(width: number): readonly number[] {
  const blocks = Math.min(mostBlocks, width);
  return Array.from({ length: blocks + 1 }, (_, i) => Math.round((i * width) / blocks));
}

const float64 = { type: 'float64' } as const;

/**
 * `StatisticsAccumulator` in a session: the sums stay there, and the host sees portions of rows and the result alone. It
 * makes its graph for each number of rows once.
 */
class SessionStatistics {
  private count = 0;
  private readonly edges: readonly number[];
  private readonly mean: Output;
  /** Sums of products, block after block of columns, each with all columns up to its own last. */
  private readonly scatter: readonly Output[];
  private readonly made = new Map<number, ReturnType<SessionStatistics['make']>>();

  private constructor(
    private readonly session: Session,
    private readonly width: number,
  ) {
    this.edges = blockEdges(width);
    this.mean = this.variable('mean', 1, width);
    this.scatter = this.edges
      .slice(1)
      .map((end, i) => this.variable(`block ${i}`, end - this.edges[i]!, end));
  }

  static async open(session: Session, width: number): Promise<SessionStatistics> {
    const { graph } = session;
    const opened = new SessionStatistics(session, width);
    const zeros = [opened.mean, ...opened.scatter].map((handle, i) => {
      const [first, end] = [opened.edges[i - 1] ?? 0, opened.edges[i] ?? 0];
      const shape = i === 0 ? opened.indices(1, width) : opened.indices(end - first, end);
      const zero = graph.constantBytes(DataTypeCode.float64, [], new Float64Array(1));
      return graph.add('AssignVariableOp', [handle, graph.node('Fill', [shape, zero])], { dtype: float64 });
    });
    await session.run([], [], zeros);
    return opened;
  }

  async add(rows: Float32Array): Promise<void> {
    const count = rows.length / this.width;
    const { input, before, updates } = this.made.get(count) ?? this.make(count);
    const feeds = [
      [input, float32([count, this.width], rows)],
      [before, int32([], Int32Array.of(this.count))],
    ] as const;
    await this.session.run(feeds, [], updates);
    this.count += count;
  }

  /** @throws UserError for fewer than two rows */
  async result(): Promise<FeatureStatistics> {
    const { count, width, edges } = this;
    requireTwo(count);
    const { graph } = this.session;
    const blocks = this.scatter.map((handle, i) => {
      const padding = graph.constant(int32([2, 2], Int32Array.of(0, 0, 0, width - edges[i + 1]!)));
      return graph.node('Pad', [this.read(handle), padding]);
    });
    const wide = graph.node('ConcatV2', [...blocks, this.constant(0)]);
    const [all, none] = [-1n, 0n].map((value) =>
      graph.constantBytes(DataTypeCode.int64, [], BigInt64Array.of(value)),
    );
    const lower = graph.node('MatrixBandPart', [wide, all!, none!]);
    const upper = graph.node('Transpose', [lower, this.indices(1, 0)]);
    const diagonal = graph.node('MatrixDiag', [graph.node('MatrixDiagPart', [lower])]);
    const sums = graph.node('Sub', [graph.node('AddV2', [lower, upper]), diagonal]);
    const degrees = graph.constantBytes(DataTypeCode.float64, [], Float64Array.of(count - 1));
    const outputs = [this.read(this.mean), graph.node('RealDiv', [sums, degrees])];
    const found = await this.session.run(
      [],
      outputs.map((output) => asPairs(graph, output)),
    );
    const [mean, data] = found.map(asFloat64);
    return { count, mean: mean!, covariance: { size: width, data: data! } };
  }

  /** Writes what adds a portion of so many rows. */
  private make(count: number) {
    const { session, width, edges, scatter } = this;
    const { graph } = session;
    const cast = (value: Output, from: 'float32' | 'int32') =>
      graph.node('Cast', [value], { SrcT: { type: from }, DstT: float64 });
    const input = graph.placeholder('float32', [count, width]);
    const before = graph.placeholder('int32', []);
    const own = cast(this.constant(count), 'int32');
    const others = cast(before, 'int32');
    const total = graph.node('AddV2', [own, others]);
    const values = cast(input, 'float32');
    const mean = graph.node('Mean', [values, this.indices(0)], { keep_dims: { bool: true } });
    const apart = graph.node('Sub', [mean, this.read(this.mean)]);
    const share = graph.node('Sqrt', [graph.node('RealDiv', [graph.node('Mul', [own, others]), total])]);
    // The distance of the means counts as one deviation more.
    const deviations = graph.node('ConcatV2', [
      graph.node('Sub', [values, mean]),
      graph.node('Mul', [apart, share]),
      this.constant(0),
    ]);
    const columns = (first: number, end: number) =>
      graph.node('Slice', [deviations, this.indices(0, first), this.indices(count + 1, end - first)]);
    const add = (handle: Output, value: Output) =>
      graph.add('AssignAddVariableOp', [handle, value], { dtype: float64 });
    const updates = [
      add(this.mean, graph.node('Mul', [apart, graph.node('RealDiv', [own, total])])),
      ...edges.slice(1).map((end, i) => {
        const block = columns(edges[i]!, end);
        return add(
          scatter[i]!,
          graph.node('MatMul', [block, columns(0, end)], { transpose_a: { bool: true } }),
        );
      }),
    ];
    const written = { input, before, updates };
    this.made.set(count, written);
    return written;
  }

  private variable(name: string, rows: number, columns: number): Output {
    const shape = { shape: [rows, columns] };
    return this.session.graph.node('VarHandleOp', [], {
      ...{ dtype: float64, shape },
      shared_name: { string: name },
      container: { string: '' },
    });
  }

  private read(handle: Output): Output {
    return this.session.graph.node('ReadVariableOp', [handle], { dtype: float64 });
  }

  private constant(value: number): Output {
    return this.session.graph.constant(int32([], Int32Array.of(value)));
  }

  private indices(...values: number[]): Output {
    return this.session.graph.constant(int32([values.length], Int32Array.from(values)));
  }
}

/** Rows of a portion: 32 MB of 2,048 features, twice that in double precision. */
const rowsAtOnce = 4096;
/** Rows of a portion that JavaScript sums before other work gets a turn. */
const rowsInTurn = 256;

/**
 * Statistics of features that are read in portions: in TensorFlow's float64 kernels on the CPU, off the event loop; in
 * JavaScript where WebAssembly computes.
 *
 * @throws the signal's reason
 */
export async function computeStatistics(
  { count, width, read }: StoredRows,
  runtime: RuntimeOptions = {},
  signal?: AbortSignal,
): Promise<FeatureStatistics> {
  const addAll = async (size: number, add: (rows: Float32Array) => Promise<void> | void): Promise<void> => {
    for (let first = 0; first < count; first += size) {
      signal?.throwIfAborted();
      await add(await read(first, Math.min(size, count - first)));
    }
  };
  if (engineKind() !== 'native') {
    const accumulator = new StatisticsAccumulator(width);
    await addAll(rowsInTurn, (data) => {
      accumulator.add({ count: data.length / width, width, data });
    });
    return accumulator.result();
  }
  return inFloat64(runtime, signal, async (session) => {
    const sums = await SessionStatistics.open(session, width);
    await addAll(rowsAtOnce, (rows) => sums.add(rows));
    return sums.result();
  });
}

/** Statistics of features that are all in memory: two passes. */
export function statisticsOf(rows: Rows): FeatureStatistics {
  const accumulator = new StatisticsAccumulator(rows.width);
  accumulator.add(rows);
  return accumulator.result();
}

/** @throws UserError */
function requireTwo(count: number): void {
  if (count < 2) throw argumentError(`A covariance needs at least 2 rows, found ${count}.`);
}

function meanOf({ count, width, data }: Rows): Float64Array {
  const mean = new Float64Array(width);
  for (let row = 0; row < count; row++) for (let i = 0; i < width; i++) mean[i]! += data[row * width + i]!;
  return mean.map((sum) => sum / count);
}
