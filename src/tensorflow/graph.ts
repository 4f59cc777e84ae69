import { createHash, type Hash } from 'node:crypto';
import { closedError } from '../base/errors.js';
import { cApi, type Output, type Pointer, throwUnlessOk, withStatus } from './c-api.js';
import { DataTypeCode, type DataTypeName, type HostTensor } from './data-types.js';
import { int64s, newBuffer, newHostTensor, newTensor, readBuffer } from './native-memory.js';
import { PackedFactors } from './packed-factors.js';
import { decodeInputs, type InputDefinition } from './protobuf.js';

export type { Output };

/** Attribute values by kind. Attributes that TensorFlow infers from inputs may be left out. */
export type Attribute =
  | { readonly type: DataTypeName | number }
  | { readonly types: readonly number[] }
  | { readonly int: number | readonly number[] }
  | { readonly float: number | readonly number[] }
  | { readonly bool: boolean | readonly boolean[] }
  | { readonly string: string }
  | { readonly strings: readonly string[] }
  | { readonly shape: readonly number[] }
  | { readonly shapes: readonly (readonly number[])[] };

interface NodeOptions {
  readonly name?: string;
  readonly device?: string;
  /** Operations that must have run first. */
  readonly after?: readonly Pointer[];
}

type GraphChoice =
  'fusesFrom' | 'fusesBiases' | 'mixed' | 'oneDnn' | 'movesWords' | 'compiled' | 'fusesAttention';

/** A TensorFlow graph under construction. Everything but `dispose` throws a UserError `closed` after it. */
export class Graph {
  private native: Pointer | undefined = cApi().NewGraph();
  private readonly definitions = new OperationDefinitions(this.native!);
  private count = 0;
  /** Of a compiled graph: what it has been made of, and the place of each operation in it. */
  private readonly content: Hash | undefined;
  private readonly placeOf = new Map<Pointer, number>();

  /** Factors of which products may keep copies. */
  readonly packed = new PackedFactors();
  /** Numbers in a tensor from which functions of it that are marked as fused are compiled. */
  readonly fusesFrom: number;
  /** True when products and their biases are written as one operation, as nothing rewrites the graph later. */
  readonly fusesBiases: boolean;
  /** True when products are written in bfloat16. */
  readonly mixed: boolean;
  /** True when oneDNN's own operations on what such products take and give may be written. */
  readonly oneDnn: boolean;
  /** True when transpositions that keep the last axis move its numbers as words, which processors do faster. */
  readonly movesWords: boolean;
  /** True when XLA compiles the graph as a whole. */
  readonly compiled: boolean;
  /** True when XLA hands attention to cuDNN where the graph asks for it; sizes of its heads. */
  readonly fusesAttention: boolean;
  readonly attentionSizes = new Set<number>();

  constructor({
    fusesFrom = Infinity,
    fusesBiases = false,
    mixed = false,
    oneDnn = false,
    movesWords = false,
    compiled = false,
    fusesAttention = false,
  }: Partial<Pick<Graph, GraphChoice>> = {}) {
    this.fusesFrom = fusesFrom;
    this.fusesBiases = fusesBiases;
    this.mixed = mixed;
    this.oneDnn = oneDnn;
    this.movesWords = movesWords;
    this.compiled = compiled;
    this.fusesAttention = fusesAttention;
    this.content = compiled ? createHash('sha256') : undefined;
  }

  /** The address of the native graph. */
  get pointer(): Pointer {
    this.mustBeOpen();
    return this.native!;
  }

  /** Number of nodes. */
  get size(): number {
    return this.count;
  }

  /**
   * Adds an operation and returns it; its outputs are `output(operation, i)`. List inputs are given flat.
   * Throws a TensorFlowError that names the operation where inputs or attributes do not fit.
   */
  add(
    type: string,
    inputs: readonly Output[],
    attributes: Readonly<Record<string, Attribute>> = {},
    options: NodeOptions = {},
  ): Pointer {
    const c = cApi();
    const { pointer } = this;
    const definition = this.definitions.of(type);
    const builder = c.NewOperation(pointer, type, options.name ?? `${type.replace(/^_/, '')}_${this.count}`);
    this.count++;
    if (options.device !== undefined) c.SetDevice(builder, options.device);
    for (const input of definition.group(inputs)) {
      if (Array.isArray(input)) c.AddInputList(builder, outputArray(input), input.length);
      else c.AddInput(builder, input);
    }
    for (const operation of options.after ?? []) c.AddControlInput(builder, operation);
    for (const [name, attribute] of Object.entries(attributes))
      if (!definition.inferred.has(name)) setAttribute(builder, name, attribute);
    const status = c.NewStatus();
    try {
      const operation = c.FinishOperation(builder, status);
      throwUnlessOk(status);
      this.note(operation, [type, this.places(inputs), attributes, this.places(options.after?.map(first))]);
      return operation;
    } finally {
      c.DeleteStatus(status);
    }
  }

  /** Adds an operation and returns its first output. */
  node(...args: Parameters<Graph['add']>): Output {
    return { operation: this.add(...args), index: 0 };
  }

  /** A constant. Values are copied into the graph. */
  constant(tensor: HostTensor): Output {
    return this.constantOf(
      () => newHostTensor(tensor),
      DataTypeCode[tensor.dtype],
      tensor.shape,
      tensor.data,
    );
  }

  /** A constant of any data type, from its bytes. */
  constantBytes(dtype: number, shape: readonly number[], bytes: ArrayBufferView): Output {
    return this.constantOf(() => newTensor(dtype, shape, bytes), dtype, shape, bytes);
  }

  /** A float32 scalar constant. */
  scalar(value: number): Output {
    return this.constant({ dtype: 'float32', shape: [], data: Float32Array.of(value) });
  }

  /** x as numbers of another type; x itself where it is of that type. */
  cast(x: Output, type: DataTypeName): Output {
    const from = this.dataTypeOf(x);
    const to = DataTypeCode[type];
    return from === to ? x : this.node('Cast', [x], { SrcT: { type: from }, DstT: { type: to } });
  }

  /** An input, fed at each run. */
  placeholder(dtype: DataTypeName, shape: readonly number[]): Output {
    return this.node('Placeholder', [], { dtype: { type: dtype }, shape: { shape } });
  }

  /** Data type number of an output. */
  dataTypeOf(output: Output): number {
    this.mustBeOpen();
    return cApi().OperationOutputType(output);
  }

  /** Inferred shape of an output; -1 marks an unknown extent. Throws where even the rank is unknown. */
  shapeOf(output: Output): number[] {
    const c = cApi();
    return withStatus((status) => {
      const rank = c.GraphGetTensorNumDims(this.pointer, output, status);
      throwUnlessOk(status);
      if (rank < 0) throw new RangeError('The shape of a tensor is unknown while tracing.');
      const dimensions = int64s(new Array<number>(rank).fill(0));
      c.GraphGetTensorShape(this.pointer, output, dimensions, rank, status);
      return Array.from(dimensions, Number);
    });
  }

  /** Lists all outputs of an operation. */
  outputs(operation: Pointer): Output[] {
    this.mustBeOpen();
    return Array.from({ length: cApi().OperationNumOutputs(operation) }, (_, index) => ({
      operation,
      index,
    }));
  }

  /**
   * Adds the nodes of a serialized `GraphDef`, such as a frozen model.
   *
   * @param replaced nodes of it, by name, whose first output is taken from this graph instead
   * @throws TensorFlowError where the bytes are no graph, or its nodes none of this library's
   */
  importGraph(bytes: Uint8Array, replaced: Readonly<Record<string, Output>> = {}): void {
    const c = cApi();
    const { pointer } = this;
    const buffer = newBuffer(bytes);
    const options = c.NewImportGraphDefOptions();
    try {
      for (const [name, output] of Object.entries(replaced))
        c.ImportGraphDefOptionsAddInputMapping(options, name, 0, output);
      withStatus((status) => {
        c.GraphImportGraphDef(pointer, buffer, options, status);
      });
    } finally {
      c.DeleteImportGraphDefOptions(options);
      c.DeleteBuffer(buffer);
    }
  }

  /** SHA-256 of a compiled graph's content and of which outputs of it are wanted, in hexadecimal digits. */
  digest(outputs: readonly Output[]): string {
    return this.content!.copy()
      .update(JSON.stringify(this.places(outputs)))
      .digest('hex');
  }

  /** The operation of a name, if there is one. */
  find(name: string): Pointer | undefined {
    return cApi().GraphOperationByName(this.pointer, name) || undefined;
  }

  /** Inputs of an operation, in order. */
  inputs(operation: Pointer): Output[] {
    this.mustBeOpen();
    const c = cApi();
    const count = c.OperationNumInputs(operation);
    const view = new DataView(new ArrayBuffer(count * outputBytes));
    c.OperationAllInputs(operation, new Uint8Array(view.buffer), count);
    return Array.from({ length: count }, (_, i) => ({
      operation: view.getBigUint64(i * outputBytes, true),
      index: view.getInt32(i * outputBytes + 8, true),
    }));
  }

  /** Frees the graph. Its sessions must be closed. */
  dispose(): void {
    if (this.native !== undefined) cApi().DeleteGraph(this.native);
    this.native = undefined;
  }

  private note(operation: Pointer, made: readonly unknown[], bytes?: ArrayBufferView): void {
    if (this.content === undefined) return;
    this.placeOf.set(operation, this.placeOf.size);
    this.content.update(JSON.stringify(made));
    if (bytes !== undefined)
      this.content.update(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  }

  /** Outputs by the places of their operations, where the graph is compiled. */
  private places(outputs: readonly Output[] = []): readonly (readonly (number | undefined)[])[] {
    if (this.content === undefined) return [];
    return outputs.map(({ operation, index }) => [this.placeOf.get(operation), index]);
  }

  private mustBeOpen(): void {
    if (this.native === undefined) throw closedError('The graph');
  }

  private constantOf(
    newNative: () => Pointer,
    dtype: number,
    shape: readonly number[],
    bytes: ArrayBufferView,
  ): Output {
    const c = cApi();
    const { pointer } = this;
    const native = newNative();
    const builder = c.NewOperation(pointer, 'Const', `Const_${this.count}`);
    this.count++;
    try {
      const operation: Pointer = withStatus((status) => {
        c.SetAttrType(builder, 'dtype', dtype);
        c.SetAttrTensor(builder, 'value', native, status);
        return c.FinishOperation(builder, status);
      });
      this.note(operation, ['Const', dtype, shape], bytes);
      return { operation, index: 0 };
    } finally {
      c.DeleteTensor(native);
    }
  }
}

/** The first output of an operation. */
const first = (operation: Pointer): Output => ({ operation, index: 0 });

/** Bytes of a `TF_Output`: an address, an index, and padding. */
const outputBytes = 16;

/** `TF_Output[]` in native layout. */
export function outputArray(outputs: readonly Output[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(outputs.length * outputBytes));
  outputs.forEach(({ operation, index }, i) => {
    view.setBigUint64(i * outputBytes, operation, true);
    view.setInt32(i * outputBytes + 8, index, true);
  });
  return new Uint8Array(view.buffer);
}

function setAttribute(builder: Pointer, name: string, attribute: Attribute): void {
  const c = cApi();
  if ('type' in attribute) {
    c.SetAttrType(
      builder,
      name,
      typeof attribute.type === 'number' ? attribute.type : DataTypeCode[attribute.type],
    );
  } else if ('types' in attribute) {
    c.SetAttrTypeList(builder, name, Int32Array.from(attribute.types), attribute.types.length);
  } else if ('int' in attribute) {
    if (typeof attribute.int === 'number') c.SetAttrInt(builder, name, attribute.int);
    else c.SetAttrIntList(builder, name, int64s(attribute.int), attribute.int.length);
  } else if ('float' in attribute) {
    if (typeof attribute.float === 'number') c.SetAttrFloat(builder, name, attribute.float);
    else c.SetAttrFloatList(builder, name, Float32Array.from(attribute.float), attribute.float.length);
  } else if ('bool' in attribute) {
    if (typeof attribute.bool === 'boolean') c.SetAttrBool(builder, name, attribute.bool ? 1 : 0);
    else c.SetAttrBoolList(builder, name, Uint8Array.from(attribute.bool, Number), attribute.bool.length);
  } else if ('string' in attribute) {
    const bytes = Buffer.from(attribute.string);
    c.SetAttrString(builder, name, bytes, bytes.length);
  } else if ('strings' in attribute) {
    const lengths = attribute.strings.map((string) => Buffer.byteLength(string));
    c.SetAttrStringList(builder, name, attribute.strings, int64s(lengths), lengths.length);
  } else if ('shapes' in attribute) {
    const ranks = Int32Array.from(attribute.shapes, (shape) => shape.length);
    c.SetAttrShapeList(builder, name, attribute.shapes.map(int64s), ranks, ranks.length);
  } else {
    c.SetAttrShape(builder, name, int64s(attribute.shape), attribute.shape.length);
  }
}

/** Inputs of an operation, as its definition describes them. */
class OperationDefinition {
  /** Attributes that follow from the inputs and need not be given. */
  readonly inferred: ReadonlySet<string>;

  constructor(
    private readonly name: string,
    private readonly inputs: readonly InputDefinition[],
  ) {
    this.inferred = new Set(
      inputs
        .flatMap(({ typeAttr, numberAttr, typeListAttr }) => [typeAttr, numberAttr, typeListAttr])
        .filter(Boolean),
    );
  }

  /** Splits a flat list of inputs into single ones and lists, as the definition has them. */
  group(flat: readonly Output[]): (Output | Output[])[] {
    const lists = this.inputs.filter(isList).length;
    if (lists === 0) return [...flat];
    const inLists = flat.length - (this.inputs.length - lists);
    if (inLists < 0 || inLists % lists !== 0)
      throw new RangeError(`${this.name} cannot take ${flat.length} inputs.`);
    let next = 0;
    return this.inputs.map((input) => {
      if (!isList(input)) return flat[next++]!;
      const start = next;
      next += inLists / lists;
      return flat.slice(start, next);
    });
  }
}

/** Operation definitions of the loaded library, read once each. */
class OperationDefinitions {
  private readonly known = new Map<string, OperationDefinition>();

  constructor(private readonly graph: Pointer) {}

  /** The definition of an operation; throws a TensorFlowError where there is none of that name. */
  of(name: string): OperationDefinition {
    const known = this.known.get(name);
    if (known !== undefined) return known;
    const definition = new OperationDefinition(name, decodeInputs(this.read(name)));
    this.known.set(name, definition);
    return definition;
  }

  private read(name: string): Uint8Array {
    const c = cApi();
    const buffer = c.NewBuffer();
    const status = c.NewStatus();
    try {
      c.GraphGetOpDef(this.graph, name, buffer, status);
      throwUnlessOk(status);
      return readBuffer(buffer);
    } finally {
      c.DeleteStatus(status);
      c.DeleteBuffer(buffer);
    }
  }
}

function isList({ numberAttr, typeListAttr }: InputDefinition): boolean {
  return numberAttr !== '' || typeListAttr !== '';
}
