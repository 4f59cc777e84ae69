import { constant, floatType, frozenGraph, type Node, stepping } from '../support/tiny-inception.js';

/** Side of the images that the network brings all others to. */
const side = 299;

/**
 * The Inception network's beginning, where most of its memory is, under the names that the evaluator looks for: images
 * brought to 299 × 299, five convolutions, each with its norm and ReLU, and two pools between them; weights of zeros.
 * Source: Szegedy et al., arXiv 1512.00567, as the frozen graph of 2015 has it.
 */
export function inceptionStem(): Uint8Array {
  const nodes: Node[] = [
    { name: 'ExpandDims', op: 'Placeholder', attr: { dtype: { type: 1 } } },
    constant('half', [], Float32Array.of(128)),
    { name: 'Sub', op: 'Sub', input: ['ExpandDims', 'half'], attr: floatType },
    constant('scale', [], Float32Array.of(1 / 128)),
    { name: 'Mul', op: 'Mul', input: ['Sub', 'scale'], attr: floatType },
    constant('size', [2], Int32Array.of(side, side)),
    { name: 'ResizeBilinear', op: 'ResizeBilinear', input: ['Mul', 'size'], attr: floatType },
  ];
  let last = 'ResizeBilinear';
  let width = 3;
  const convolution = (
    name: string,
    size: number,
    outputs: number,
    stride: 1 | 2,
    padding: 'SAME' | 'VALID',
  ) => {
    const shape = [size, size, width, outputs];
    const of = (part: string) => `${name}/${part}`;
    const numbers = ['mean', 'variance', 'beta', 'gamma'];
    nodes.push(
      constant(of('weights'), shape, new Float32Array(size ** 2 * width * outputs)),
      {
        name: of('product'),
        op: 'Conv2D',
        input: [last, of('weights')],
        attr: { ...floatType, ...stepping(stride, padding) },
      },
      ...numbers.map((part) => constant(of(part), [outputs], new Float32Array(outputs))),
      {
        name: of('norm'),
        op: 'BatchNormWithGlobalNormalization',
        input: [of('product'), ...numbers.map(of)],
        attr: { ...floatType, variance_epsilon: { f: 1e-3 }, scale_after_normalization: { b: true } },
      },
      { name, op: 'Relu', input: [of('norm')], attr: floatType },
    );
    [last, width] = [name, outputs];
  };
  const pool = (name: string, op: 'MaxPool' | 'AvgPool', size: number, stride: number) => {
    const window = { ksize: { list: { i: [1, size, size, 1] } } };
    nodes.push({ name, op, input: [last], attr: { ...floatType, ...stepping(stride, 'VALID'), ...window } });
    last = name;
  };
  convolution('conv', 3, 32, 2, 'VALID');
  convolution('conv_1', 3, 32, 1, 'VALID');
  convolution('conv_2', 3, 64, 1, 'SAME');
  pool('pool', 'MaxPool', 3, 2);
  convolution('conv_3', 1, 80, 1, 'VALID');
  convolution('conv_4', 3, 192, 1, 'VALID');
  pool('pool_1', 'MaxPool', 3, 2);
  convolution('mixed_6/conv', 1, 192, 2, 'SAME');
  pool('pool_3', 'AvgPool', 8, 8);
  nodes.push(
    constant('flat', [2], Int32Array.of(-1, 4 * width)),
    { name: 'pool_3/_reshape', op: 'Reshape', input: ['pool_3', 'flat'], attr: floatType },
    constant('softmax/weights', [4 * width, 5], new Float32Array(20 * width)),
    {
      name: 'softmax/logits/MatMul',
      op: 'MatMul',
      input: ['pool_3/_reshape', 'softmax/weights'],
      attr: floatType,
    },
  );
  return frozenGraph(nodes);
}
