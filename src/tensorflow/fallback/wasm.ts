import { createRequire } from 'node:module';
import type {
  DataType,
  KernelConfig,
  KernelFunc,
  NamedAttrMap,
  NamedTensorInfoMap,
  Tensor,
  Tensor4D,
  TensorInfo,
} from '@tensorflow/tfjs';
import { tf } from '../tfjs.js';
import { mapValues } from '../trace.js';

const require = createRequire(import.meta.url);

/** Makes tfjs's WebAssembly backend the current one, with the kernels that it lacks added. */
export async function startWasm(): Promise<void> {
  if (tf.getBackend() === 'wasm') return;
  require('@tensorflow/tfjs-backend-wasm');
  if (!(await tf.setBackend('wasm'))) throw new Error('The WebAssembly backend of tfjs does not start.');
  const present = new Set(tf.getKernelsForBackend('wasm').map(({ kernelName }) => kernelName));
  for (const kernel of [...backwardKernels, ...borrowedKernels()])
    if (!present.has(kernel.kernelName)) tf.registerKernel(kernel);
}

/** Kernels that the WebAssembly backend has not, and that its users seldom need: those of the plain JavaScript backend serve. */
const names = ['Einsum', 'UnsortedSegmentSum'];

type Values = Float32Array | Int32Array | Uint8Array;

/** Members that both backends offer, and that their type declarations do not all show. */
interface PlainBackend {
  firstUse: boolean;
  makeTensorInfo(shape: readonly number[], dtype: DataType, values: Values): TensorInfo;
  readSync(dataId: object): Values;
  disposeData(dataId: object, force?: boolean): void;
}
interface WasmBackend {
  makeOutput(shape: readonly number[], dtype: DataType, offset: undefined, values: Values): TensorInfo;
  readSync(dataId: object): Values;
}

function borrowedKernels(): KernelConfig[] {
  return names.map((kernelName) => ({ kernelName, backendName: 'wasm', kernelFunc: borrowing(kernelName) }));
}

function borrowing(kernelName: string): KernelConfig['kernelFunc'] {
  const { kernelFunc } = tf.getKernel(kernelName, 'cpu');
  return ({ inputs, attrs, backend }) => {
    const wasm = backend as unknown as WasmBackend;
    const plain = tf.findBackend('cpu') as unknown as PlainBackend;
    // It would recommend tfjs-node.
    plain.firstUse = false;
    const lend = ({ dataId, shape, dtype }: TensorInfo) =>
      plain.makeTensorInfo(shape, dtype, wasm.readSync(dataId));
    // A kernel of any number of inputs has them as a list.
    const lent = Array.isArray(inputs)
      ? (inputs as TensorInfo[]).map(lend)
      : mapValues(inputs as Record<string, TensorInfo>, lend);
    const results = kernelFunc({
      inputs: lent as NamedTensorInfoMap,
      attrs: attrs ?? {},
      backend: plain,
    });
    const returned = [results].flat().map((info) => {
      const output = wasm.makeOutput(info.shape, info.dtype, undefined, plain.readSync(info.dataId));
      plain.disposeData(info.dataId, true);
      return output;
    });
    for (const { dataId } of Object.values(lent)) plain.disposeData(dataId, true);
    return Array.isArray(results) ? returned : returned[0]!;
  };
}

/**
 * Gradients of convolutions, which the WebAssembly backend lacks, as sums over the places of the filter: at each, the
 * gradient is a matrix product, or for a depthwise filter a product, of the image that this place saw and dy.
 * Images are [batch, height, width, channels].
 */
const backwardKernels: readonly KernelConfig[] = [
  kernel('Conv2DBackpropFilter', (inputs, attrs) => {
    const geometry = geometryOf(inputs.x!.shape, attrs, attrs.filterShape as number[], false);
    const [, , channels, outputs] = attrs.filterShape as [number, number, number, number];
    const dy = inputs.dy!.reshape([-1, outputs]);
    const places = views(inputs.x as Tensor4D, geometry).map((view) =>
      tf.matMul(view.reshape([-1, channels]), dy as never, true),
    );
    return tf.stack(places).reshape(attrs.filterShape as number[]);
  }),
  kernel('DepthwiseConv2dNativeBackpropFilter', (inputs, attrs) => {
    const shape = attrs.filterShape as [number, number, number, number];
    const geometry = geometryOf(inputs.x!.shape, attrs, shape, true);
    const [, , channels, multiplier] = shape;
    const dy = inputs.dy!.reshape([-1, channels, multiplier]);
    const places = views(inputs.x as Tensor4D, geometry).map((view) =>
      view.reshape([-1, channels, 1]).mul(dy).sum(0),
    );
    return tf.stack(places).reshape(shape);
  }),
  kernel('DepthwiseConv2dNativeBackpropInput', (inputs, attrs) => {
    const { filter } = inputs as { filter: Tensor4D };
    const shape = attrs.inputShape as [number, number, number, number];
    const geometry = geometryOf(shape, attrs, filter.shape, true);
    const { padInfo, strideHeight, strideWidth, filterHeight, filterWidth, outHeight, outWidth } = geometry;
    const [batch, height, width, channels] = shape;
    const multiplier = filter.shape[3];
    const dy = inputs.dy!.reshape([batch, outHeight, outWidth, channels, multiplier]);
    // With zeros between its entries where the stride is over 1, dy lies on the grid of the image.
    const grid = spread(spread(dy, 1, strideHeight), 2, strideWidth);
    const [, gridHeight, gridWidth] = grid.shape as [number, number, number];
    const paddedHeight = Math.max(padInfo.top + height + padInfo.bottom, gridHeight + filterHeight - 1);
    const paddedWidth = Math.max(padInfo.left + width + padInfo.right, gridWidth + filterWidth - 1);
    const parts: Tensor[] = [];
    for (let row = 0; row < filterHeight; row++) {
      for (let column = 0; column < filterWidth; column++) {
        const weight = filter
          .slice([row, column, 0, 0], [1, 1, channels, multiplier])
          .reshape([channels, multiplier]);
        const part = grid.mul(weight).sum<Tensor4D>(-1);
        parts.push(
          tf.pad(part, [
            [0, 0],
            [row, paddedHeight - gridHeight - row],
            [column, paddedWidth - gridWidth - column],
            [0, 0],
          ]),
        );
      }
    }
    return tf.addN(parts).slice([0, padInfo.top, padInfo.left, 0], [batch, height, width, channels]);
  }),
];

type Geometry = ReturnType<typeof tf.backend_util.computeConv2DInfo>;

function geometryOf(
  image: readonly number[],
  { strides, pad, dilations, dimRoundingMode }: NamedAttrMap,
  filterShape: readonly number[],
  depthwise: boolean,
): Geometry {
  const geometry = tf.backend_util.computeConv2DInfo(
    image as [number, number, number, number],
    filterShape as [number, number, number, number],
    strides as [number, number],
    (dilations ?? 1) as number,
    pad as 'same',
    dimRoundingMode as 'floor',
    depthwise,
  );
  if (geometry.dilationHeight !== 1 || geometry.dilationWidth !== 1)
    throw new Error('The gradient of a dilated convolution is not available on the fallback backend.');
  return geometry;
}

/** Parts of the image that each place of the filter sees, row by row: one pixel for each of dy's. */
function views(x: Tensor4D, geometry: Geometry): Tensor4D[] {
  const { padInfo, strideHeight, strideWidth, filterHeight, filterWidth, outHeight, outWidth } = geometry;
  const [batch, , , channels] = x.shape;
  const padded = tf.pad(x, [
    [0, 0],
    [padInfo.top, padInfo.bottom],
    [padInfo.left, padInfo.right],
    [0, 0],
  ]);
  const result: Tensor4D[] = [];
  for (let row = 0; row < filterHeight; row++)
    for (let column = 0; column < filterWidth; column++)
      result.push(
        padded.stridedSlice(
          [0, row, column, 0],
          [
            batch,
            row + (outHeight - 1) * strideHeight + 1,
            column + (outWidth - 1) * strideWidth + 1,
            channels,
          ],
          [1, strideHeight, strideWidth, 1],
        ) as Tensor4D,
      );
  return result;
}

/** `stride` − 1 zeros between neighbours along `axis`. */
function spread(x: Tensor, axis: number, stride: number): Tensor {
  if (stride === 1) return x;
  const { shape } = x;
  const extent = shape[axis]!;
  const apart = x.reshape([...shape.slice(0, axis + 1), 1, ...shape.slice(axis + 1)]);
  const paddings = apart.shape.map((_, i): [number, number] => (i === axis + 1 ? [0, stride - 1] : [0, 0]));
  const wide = tf.pad(apart, paddings).reshape(shape.with(axis, extent * stride));
  return wide.slice(
    shape.map(() => 0),
    shape.with(axis, (extent - 1) * stride + 1),
  );
}

function kernel(
  kernelName: string,
  compute: (inputs: Readonly<Record<string, Tensor>>, attrs: NamedAttrMap) => Tensor,
): KernelConfig {
  const kernelFunc: KernelFunc = ({ inputs, attrs }) =>
    tf.tidy(() => compute(inputs as unknown as Record<string, Tensor>, attrs ?? {}));
  return { kernelName, backendName: 'wasm', kernelFunc };
}
