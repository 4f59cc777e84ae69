import protobuf from 'protobufjs/light.js';

/** The parts of tensorflow/core/framework/graph.proto that a frozen graph needs. */
const root = protobuf.Root.fromJSON({
  nested: {
    GraphDef: {
      fields: {
        node: { rule: 'repeated', type: 'NodeDef', id: 1 },
        versions: { type: 'Versions', id: 4 },
      },
    },
    Versions: { fields: { producer: { type: 'int32', id: 1 } } },
    NodeDef: {
      fields: {
        name: { type: 'string', id: 1 },
        op: { type: 'string', id: 2 },
        input: { rule: 'repeated', type: 'string', id: 3 },
        // A map<string, AttrValue>, which is written as repeated entries.
        attr: { rule: 'repeated', type: 'Attr', id: 5 },
      },
    },
    Attr: { fields: { key: { type: 'string', id: 1 }, value: { type: 'AttrValue', id: 2 } } },
    AttrValue: {
      fields: {
        list: { type: 'List', id: 1 },
        s: { type: 'bytes', id: 2 },
        f: { type: 'float', id: 4 },
        b: { type: 'bool', id: 5 },
        type: { type: 'int32', id: 6 },
        tensor: { type: 'TensorProto', id: 8 },
      },
    },
    List: { fields: { i: { rule: 'repeated', type: 'int64', id: 3, options: { packed: true } } } },
    TensorProto: {
      fields: {
        dtype: { type: 'int32', id: 1 },
        tensorShape: { type: 'Shape', id: 2 },
        tensorContent: { type: 'bytes', id: 4 },
      },
    },
    Shape: { fields: { dim: { rule: 'repeated', type: 'Dim', id: 2 } } },
    Dim: { fields: { size: { type: 'int64', id: 1 } } },
  },
});

const [float, int32] = [1, 3];
const bytes = (text: string) => Buffer.from(text);
export const floatType = { T: { type: float } };
/** A convolution's steps, or a window's, and its padding. */
export const stepping = (stride: number, padding: 'SAME' | 'VALID') => ({
  strides: { list: { i: [1, stride, stride, 1] } },
  padding: { s: bytes(padding) },
});

/** A node of a frozen graph. */
export interface Node {
  readonly name: string;
  readonly op: string;
  readonly input?: readonly string[];
  readonly attr?: Readonly<Record<string, object>>;
}

export function constant(name: string, shape: readonly number[], data: Float32Array | Int32Array): Node {
  const dtype = data instanceof Float32Array ? float : int32;
  const tensor = {
    dtype,
    tensorShape: { dim: shape.map((size) => ({ size })) },
    tensorContent: new Uint8Array(data.buffer),
  };
  return { name, op: 'Const', attr: { dtype: { type: dtype }, value: { tensor } } };
}

/** Weight `(i · 37 mod 23 - 11) / 16`: exact in float32. */
const weights = (count: number) =>
  Float32Array.from({ length: count }, (_, i) => (((i * 37) % 23) - 11) / 16);

/**
 * A frozen graph with the nodes of the ADM evaluator's, in the format and with the operations of its time: images are
 * brought to 3 × 3, each pixel becomes 9 features, whose means over the image are the pooled ones; 5 classes.
 */
export function tinyInception(leaveOut?: string): Uint8Array {
  const nodes: Node[] = [
    { name: 'ExpandDims', op: 'Placeholder', attr: { dtype: { type: float } } },
    constant('half', [], Float32Array.of(128)),
    { name: 'Sub', op: 'Sub', input: ['ExpandDims', 'half'], attr: floatType },
    constant('scale', [], Float32Array.of(1 / 128)),
    { name: 'Mul', op: 'Mul', input: ['Sub', 'scale'], attr: floatType },
    constant('size', [2], Int32Array.of(3, 3)),
    { name: 'ResizeBilinear', op: 'ResizeBilinear', input: ['Mul', 'size'], attr: floatType },
    constant('mixed_6/weights', [1, 1, 3, 9], weights(27)),
    {
      name: 'mixed_6/product',
      op: 'Conv2D',
      input: ['ResizeBilinear', 'mixed_6/weights'],
      attr: { ...floatType, ...stepping(1, 'SAME') },
    },
    constant('mean', [9], new Float32Array(9)),
    constant('variance', [9], new Float32Array(9).fill(3)),
    constant('beta', [9], new Float32Array(9).fill(0.25)),
    constant('gamma', [9], new Float32Array(9).fill(2)),
    {
      name: 'mixed_6/conv',
      op: 'BatchNormWithGlobalNormalization',
      input: ['mixed_6/product', 'mean', 'variance', 'beta', 'gamma'],
      attr: { ...floatType, variance_epsilon: { f: 1 }, scale_after_normalization: { b: true } },
    },
    {
      name: 'pool_3',
      op: 'AvgPool',
      input: ['mixed_6/conv'],
      attr: {
        ...floatType,
        ...stepping(1, 'VALID'),
        ksize: { list: { i: [1, 3, 3, 1] } },
      },
    },
    constant('flat', [2], Int32Array.of(1, 9)),
    { name: 'pool_3/_reshape', op: 'Reshape', input: ['pool_3', 'flat'], attr: floatType },
    constant('softmax/weights', [9, 5], weights(45)),
    {
      name: 'softmax/logits/MatMul',
      op: 'MatMul',
      input: ['pool_3/_reshape', 'softmax/weights'],
      attr: floatType,
    },
  ];
  return frozenGraph(nodes.filter(({ name }) => name !== leaveOut));
}

/** The bytes of a graph. */
export function frozenGraph(nodes: readonly Node[]): Uint8Array {
  const type = root.lookupType('GraphDef');
  const node = nodes.map(({ attr = {}, ...rest }) => ({
    ...rest,
    attr: Object.entries(attr).map(([key, value]) => ({ key, value })),
  }));
  return type.encode(type.create({ node, versions: { producer: 8 } })).finish();
}
