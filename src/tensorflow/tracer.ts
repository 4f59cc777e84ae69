import type { Tensor, TensorInfo } from '@tensorflow/tfjs';
import { TensorFlowError } from './c-api.js';
import { DataTypeCode, sizeOf } from './data-types.js';
import { addFusedCall, type FusedArgument, type FusedFunction } from './graph-function.js';
import type { Attribute, Graph, Output } from './graph.js';
import { MixedPrecision } from './mixed-precision.js';
import type { NativeBackend } from './native-backend.js';
import { AttributeKind, firstRecordedId } from './op-binding.js';
import type { OpAttribute, OpBinding, TensorMetadata, TensorValues } from './op-binding.js';
import { refuseStatefulRandom, untraceable, usedDisposed, withoutMathRandom } from './random-guard.js';
import { tf } from './tfjs.js';
import { transposedInWords } from './transpose.js';

/** Tensors of a traced function that are constants, so that kernels may read them. */
type Constants = Map<number, Float32Array | Int32Array | Uint8Array>;

/** A product of matrices as it was recorded. */
interface Product {
  readonly factors: readonly Output[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** Every recorded tensor of the process has its own number. */
let nextId = firstRecordedId;

/**
 * Writes the operations of tfjs programs into a graph in place of running them. Tensors of the program stand for
 * outputs of nodes; eager tensors that the program captures become constants.
 */
export class Tracer implements OpBinding {
  /** Outputs by the number of their tensor, in the precision in which they came about. */
  private readonly outputs = new Map<number, Output>();
  private readonly precision: MixedPrecision;
  private readonly constants: Constants = new Map();
  /** Products by the number of the tensor that holds their result, for what may be added to them. */
  private readonly products = new Map<number, Product>();
  /** Reason why the trace cannot be used: an asynchronous reader of the program would swallow it. */
  private refusal: Error | undefined;
  private static recording: Tracer | undefined;

  /** The tracer that records at the moment. */
  static get current(): Tracer | undefined {
    return Tracer.recording;
  }

  constructor(
    private readonly graph: Graph,
    private readonly backend: NativeBackend,
  ) {
    this.precision = new MixedPrecision(graph);
  }

  /** True when XLA compiles what is recorded as a whole. */
  get compiled(): boolean {
    return this.graph.compiled;
  }

  /** True when calls of cuDNN's attention may be written. */
  get fusesAttention(): boolean {
    return this.graph.fusesAttention;
  }

  /** Sizes of heads whose attention goes to cuDNN. */
  get attentionSizes(): Set<number> {
    return this.graph.attentionSizes;
  }

  /** Runs `body`, recording its operations; throws what it could not record, even where the body caught it. */
  record<T>(body: () => T): T {
    const result = this.backend.record(this, () =>
      withoutMathRandom(() => explained(() => this.recordAsCurrent(body))),
    );
    if (this.refusal !== undefined) throw this.refusal;
    return result;
  }

  /** A tensor that stands for `output` in recorded functions. */
  symbol(output: Output): Tensor {
    return this.backend.createOutputTensor(this.describe(output));
  }

  /** The node output that a tensor of a recorded function stands for. */
  outputOf(tensor: TensorInfo): Output {
    return this.precision.full(this.ownOutputOf(tensor));
  }

  /** A tensor equal to x that exists once `first` does. */
  after(x: TensorInfo, first: TensorInfo): Tensor {
    const both = [this.ownOutputOf(x), this.ownOutputOf(first)];
    // XLA heeds no order, and computes once what is the same, but where a barrier parts it.
    if (this.graph.compiled)
      return this.symbol(
        this.graph.node('XlaOptimizationBarrier', both, {
          T: { types: both.map((output) => this.graph.dataTypeOf(output)) },
        }),
      );
    return this.symbol(
      this.graph.node('Identity', [this.ownOutputOf(x)], {}, { after: [this.ownOutputOf(first).operation] }),
    );
  }

  /** x as products take it. */
  asFactor(x: Tensor): Tensor {
    return this.graph.mixed ? this.symbol(this.precision.lowered(this.ownOutputOf(x))) : x;
  }

  /** x in float32. */
  asFloat(x: Tensor): Tensor {
    return this.symbol(this.outputOf(x));
  }

  /** True when operations of oneDNN may be written. */
  get usesOneDnn(): boolean {
    return this.graph.oneDnn;
  }

  /** x·W + b, then what else oneDNN computes with a product: `x` is [rows, inputs], `weight` [inputs, outputs]. */
  productOf(
    inputs: readonly [x: TensorInfo, weight: TensorInfo, bias: TensorInfo],
    then: readonly string[],
  ): Tensor {
    return this.symbol(this.fusedProduct(this.factors(inputs), ['BiasAdd', ...then]));
  }

  /** True when a weight never changes, so that products of it may keep it as they take it. */
  isConstant(weight: TensorInfo): boolean {
    return this.graph.packed.has(this.ownOutputOf(weight));
  }

  /** Result of an operation that takes its inputs as products do. */
  ofFactors(
    name: string,
    inputs: readonly TensorInfo[],
    attributes: Readonly<Record<string, Attribute>> = {},
  ): Tensor {
    return this.symbol(this.graph.node(name, this.factors(inputs), attributes));
  }

  private factors(inputs: readonly TensorInfo[]): Output[] {
    return inputs.map((input) => this.precision.lowered(this.ownOutputOf(input)));
  }

  /** Results of a call that XLA hands to a library, by its name there. It takes inputs in the precision that they have. */
  customCall(
    target: string,
    inputs: readonly TensorInfo[],
    {
      config,
      results,
    }: { config: string; results: readonly (readonly [dtype: number, shape: readonly number[]])[] },
  ): Tensor[] {
    const { graph } = this;
    const call = graph.add(
      'XlaCustomCallV2',
      inputs.map((input) => this.ownOutputOf(input)),
      {
        call_target_name: { string: target },
        backend_config: { string: config },
        has_side_effect: { bool: false },
        result_dtypes: { types: results.map(([dtype]) => dtype) },
        result_shapes: { shapes: results.map(([, shape]) => shape) },
      },
    );
    return graph.outputs(call).map((output) => this.symbol(output));
  }

  /** Result of an operation that takes its inputs in float32. */
  ofFloats(
    name: string,
    inputs: readonly TensorInfo[],
    attributes: Readonly<Record<string, Attribute>>,
  ): Tensor {
    const floats = inputs.map((input) => this.outputOf(input));
    return this.symbol(this.graph.node(name, floats, attributes));
  }

  /** True when a function of `args` that is marked as fused becomes one operation. */
  fuses(args: readonly (TensorInfo | number | boolean)[]): boolean {
    return args.some((arg) => typeof arg === 'object' && sizeOf(arg.shape) >= this.graph.fusesFrom);
  }

  /** Adds a call of a fused function to the graph; its body is traced where the graph does not have it yet. */
  callFused(fused: FusedFunction, args: readonly (TensorInfo | number | boolean)[]): Tensor[] {
    const given = args.map((arg): FusedArgument => {
      if (typeof arg !== 'object') return arg;
      return fused.takesHalf ? this.ownOutputOf(arg) : this.outputOf(arg);
    });
    const outputs = addFusedCall(this.graph, fused, given, (body, inputs) => {
      const tracer = new Tracer(body, this.backend);
      return this.backend.recordWithin(tracer, () =>
        tracer.recordAsCurrent(() => {
          let results: Output[] = [];
          tf.tidy(() => {
            const symbols = inputs.map((input) => tracer.symbol(input)).values();
            const values = args.map((arg) => (typeof arg === 'object' ? symbols.next().value! : arg));
            results = fused.f(...values).map((tensor) => tracer.ownOutputOf(tensor));
          });
          return results;
        }),
      );
    });
    return outputs.map((output) => this.symbol(output));
  }

  createTensor(shape: readonly number[], dtype: number, values: TensorValues): number {
    if (Array.isArray(values)) throw untraceable('A string tensor');
    const view = values as ArrayBufferView;
    const id = this.register(this.graph.constantBytes(dtype, shape, view));
    if (dtype === DataTypeCode.float32 || dtype === DataTypeCode.int32 || dtype === DataTypeCode.bool)
      this.constants.set(id, view as Float32Array);
    return id;
  }

  deleteTensor(): void {
    // A node of the graph stays: others may use its output.
  }

  tensorDataSync(id: number): Float32Array | Int32Array | Uint8Array {
    const constant = this.constants.get(id);
    if (constant !== undefined) return constant;
    throw (this.refusal = untraceable('Reading the value of a tensor'));
  }

  executeOp(
    name: string,
    attributes: readonly OpAttribute[],
    inputs: readonly number[],
    outputs: number,
  ): TensorMetadata[] {
    refuseStatefulRandom(name);
    const resolved = inputs.map((id) => this.resolve(id));
    try {
      const biased = this.biasedProduct(name, inputs);
      if (biased !== undefined) return [this.describe(biased)];
      const sources = this.precision.operands(name, resolved);
      const moved = name === 'Transpose' ? this.transposed(sources[0]!, inputs[1]!) : undefined;
      if (moved !== undefined) return [this.describe(moved)];
      const named = Object.fromEntries(attributes.map((a) => [a.name, graphAttribute(a)]));
      const results = this.graph
        .outputs(this.graph.add(name, sources, named))
        .slice(0, outputs)
        .map((output) => this.describe(output));
      if (this.graph.fusesBiases && name === 'MatMul' && results[0]!.dtype === DataTypeCode.float32)
        this.products.set(results[0]!.id, { factors: sources, attributes: named });
      return results;
    } catch (error) {
      if (!(error instanceof TensorFlowError || error instanceof RangeError)) throw error;
      throw untraceable(`The operation ${name}`, { cause: error });
    }
  }

  /**
   * A product and the vector that is added to its last axis, as one operation: what TensorFlow's rewriting makes of
   * them. Where nothing else uses the product alone, it is never computed.
   */
  private biasedProduct(name: string, [sum, vector]: readonly number[]): Output | undefined {
    const product = name === 'Add' ? this.products.get(sum!) : undefined;
    if (product === undefined) return undefined;
    const bias = this.resolve(vector!);
    const [channels, ...others] = this.graph.shapeOf(bias);
    const columns = this.graph.shapeOf(this.resolve(sum!)).at(-1);
    if (others.length > 0 || channels !== columns) return undefined;
    const inputs = this.precision.operands('_FusedMatMul', [...product.factors, bias]);
    return this.fusedProduct(inputs, ['BiasAdd'], product.attributes);
  }

  private fusedProduct(
    inputs: readonly Output[],
    operations: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
  ): Output {
    const packed = this.packs(inputs[1]!);
    return this.graph.node(packed ? '_MklNativeFusedMatMul' : '_FusedMatMul', inputs, {
      ...attributes,
      fused_ops: { strings: operations },
      ...(packed && { is_filter_const: { bool: true }, _kernel: { string: 'MklNameChangeOp' } }),
    });
  }

  private packs(weight: Output): boolean {
    const { graph } = this;
    return graph.oneDnn && graph.packed.take(weight, 2 * sizeOf(graph.shapeOf(weight)));
  }

  private transposed(x: Output, order: number): Output | undefined {
    const known = this.constants.get(order);
    return this.graph.movesWords && known !== undefined
      ? transposedInWords(this.graph, x, Array.from(known))
      : undefined;
  }

  private recordAsCurrent<T>(body: () => T): T {
    const outer = Tracer.recording;
    Tracer.recording = this;
    try {
      return body();
    } finally {
      Tracer.recording = outer;
    }
  }

  private describe(output: Output): TensorMetadata {
    const shape = this.graph.shapeOf(output);
    if (shape.includes(-1)) throw new RangeError(`its result has the unknown shape [${shape.join(', ')}]`);
    const dtype = this.graph.dataTypeOf(output);
    return {
      id: this.register(output),
      dtype: dtype === DataTypeCode.bfloat16 ? DataTypeCode.float32 : dtype,
      shape,
    };
  }

  private ownOutputOf(tensor: TensorInfo): Output {
    return this.resolve(this.backend.idOf(tensor));
  }

  private register(output: Output): number {
    const id = nextId++;
    this.outputs.set(id, output);
    return id;
  }

  private resolve(id: number): Output {
    const known = this.outputs.get(id);
    if (known !== undefined) return known;
    if (id >= firstRecordedId) throw untraceable('A tensor of another traced function');
    const { dtype, shape, bytes } = this.backend.readEager(id);
    const constant = this.graph.constantBytes(dtype, shape, bytes);
    this.outputs.set(id, constant);
    return constant;
  }
}

function graphAttribute({ name, type, value }: OpAttribute): Attribute {
  switch (type) {
    case AttributeKind.string:
      return { string: value as string };
    case AttributeKind.int:
      return { int: value as number | number[] };
    case AttributeKind.float:
      return { float: value as number | number[] };
    case AttributeKind.bool:
      return { bool: value as boolean };
    case AttributeKind.type:
      return { type: value as number };
    case AttributeKind.shape:
      return { shape: value as number[] };
    default:
      throw new TypeError(`Attribute ${name} has the unknown kind ${type}.`);
  }
}

/** Runs the body of a traced function; tells where a tensor was used that is disposed. */
function explained<T>(body: () => T): T {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 64;
  try {
    return body();
  } catch (error) {
    if (!(error instanceof Error) || error.message !== 'Tensor is disposed.') throw error;
    throw usedDisposed(error.stack);
  } finally {
    Error.stackTraceLimit = limit;
  }
}
