import { compiledWhole, type Tensor, type Tensor4D, tf } from '../tensorflow/index.js';

/**
 * Depthwise convolution with stride 1 and zero padding.
 *
 * XLA would hand it to cuDNN, whose grouped convolutions are slow with one channel a group: where XLA compiles, it is a
 * sum of products instead, one for each number of the filter, which become one kernel with what stands around them.
 *
 * @param x [batch, height, width, channels]
 * @param filter of odd height and width, [height, width, channels, 1]
 */
export function depthwise(x: Tensor4D, filter: Tensor4D): Tensor4D {
  if (!compiledWhole()) return tf.depthwiseConv2d(x, filter, 1, 'same');
  const shifted = shifts(x, filter);
  return tf.addN<Tensor4D>(weightsOf(filter).map((weight, i) => shifted[i]!.mul<Tensor4D>(weight)));
}

/** Gradients of `depthwise` by its input and its filter. */
export function depthwiseGradient(
  x: Tensor4D,
  filter: Tensor4D,
  dy: Tensor4D,
): { readonly x: Tensor; readonly filter: Tensor } {
  if (compiledWhole())
    return {
      x: depthwise(dy, filter.reverse([0, 1])),
      filter: tf.stack(shifts(x, filter).map((part) => part.mul(dy).sum([0, 1, 2]))).reshape(filter.shape),
    };
  const attributes = { strides: [1, 1], dilations: [1, 1], pad: 'same', dimRoundingMode: null };
  const run = (kernel: string, inputs: Record<string, Tensor>, shape: Record<string, number[]>) =>
    tf.engine().runKernel<Tensor>(kernel, inputs, { ...attributes, ...shape } as never);
  return {
    x: run('DepthwiseConv2dNativeBackpropInput', { dy, filter }, { inputShape: x.shape }),
    filter: run('DepthwiseConv2dNativeBackpropFilter', { x, dy }, { filterShape: filter.shape }),
  };
}

/** Parts of x that the numbers of a filter see, row by row; zeros lie around x. */
function shifts(x: Tensor4D, { shape: [height, width] }: Tensor4D): Tensor[] {
  const [top, left] = [(height - 1) / 2, (width - 1) / 2];
  const padded: Tensor = x.pad([
    [0, 0],
    [top, top],
    [left, left],
    [0, 0],
  ]);
  return Array.from({ length: height * width }, (_, i) =>
    padded.slice([0, Math.floor(i / width), i % width, 0], x.shape),
  );
}

/** Numbers of a filter, row by row, each [channels]. */
function weightsOf(filter: Tensor4D): Tensor[] {
  const [height, width, channels] = filter.shape;
  return tf.unstack(filter.reshape([height * width, channels]));
}
