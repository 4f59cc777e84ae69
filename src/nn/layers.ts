import { geluOfProduct, productOfConstant, tf } from '../tensorflow/index.js';
import type { Tensor, Tensor4D, Tensors } from '../tensorflow/index.js';
import { biasedGelu, biasedSwiGlu, sumOfRows } from './activations.js';
import { differentiable } from './differentiable.js';

/** The linear layer of that name among weights: `NAME.weight` and `NAME.bias`. */
export function linearOf(weights: Tensors, name: string, x: Tensor): Tensor {
  return linear(x, weights[`${name}.weight`]!, weights[`${name}.bias`]!);
}

/** x·W + b over the last axis: [..., inputs] → [..., outputs]. `weight` is [inputs, outputs], `bias` [outputs]. */
export function linear(x: Tensor, weight: Tensor, bias: Tensor): Tensor {
  return overRows(x, weight, (rows) => biasedProduct(rows, weight, bias));
}

/** `linear` of a weight that never changes, as one operation; undefined where that brings nothing. */
export function constantLinear(x: Tensor, weight: Tensor, bias: Tensor): Tensor | undefined {
  const [inputs, outputs] = weight.shape as [number, number];
  return productOfConstant(x.reshape([-1, inputs]), weight, bias)?.reshape([
    ...x.shape.slice(0, -1),
    outputs,
  ]);
}

/** x·W over the last axis. */
export function product(x: Tensor, weight: Tensor): Tensor {
  return overRows(x, weight, (rows) => tf.matMul(rows, weight));
}

/**
 * GELU in its tanh form of x·W + b, over the last axis: [..., inputs] → [..., outputs]. The gradient keeps x, the weight,
 * their product and the bias.
 */
export function geluLinear(x: Tensor, weight: Tensor, bias: Tensor): Tensor {
  return overRows(
    x,
    weight,
    (rows) => geluOfProduct(rows, weight, bias) ?? biasedGelu(tf.matMul(rows, weight), bias),
  );
}

/**
 * SwiGLU of x·W + b, over the last axis: [..., inputs] → [..., width]. `weight` is [inputs, 2 · width]: columns of gates,
 * then of values. The gradient keeps x, the weight, their product and the bias.
 */
export function swiGluLinear(x: Tensor, weight: Tensor, bias: Tensor): Tensor {
  const [inputs, outputs] = weight.shape as [number, number];
  const hidden = biasedSwiGlu(tf.matMul(x.reshape([-1, inputs]), weight), bias);
  return hidden.reshape([...x.shape.slice(0, -1), outputs / 2]);
}

function overRows(x: Tensor, weight: Tensor, multiply: (rows: Tensor) => Tensor): Tensor {
  const [inputs, outputs] = weight.shape as [number, number];
  return multiply(x.reshape([-1, inputs])).reshape([...x.shape.slice(0, -1), outputs]);
}

/**
 * The gradient keeps x and the weight alone. TensorFlow's rewriting makes one operation of the product and its bias;
 * tfjs's own, `_FusedMatMul`, reads beyond its memory on WebAssembly.
 */
const biasedProduct = differentiable((x: Tensor, weight: Tensor, bias: Tensor) => ({
  value: tf.matMul(x, weight).add(bias),
  saved: [x, weight],
  gradient: (dy: Tensor, saved: Tensor[]) => {
    const [x, weight] = saved as [Tensor, Tensor];
    return [tf.matMul(dy, weight, false, true), tf.matMul(x, dy, true, false), sumOfRows(dy)];
  },
}));

/**
 * Convolution with zero padding and a bias: [batch, height, width, inputs] → [batch, ⌈height/stride⌉, ⌈width/stride⌉, outputs].
 * `weight` is [size, size, inputs, outputs]. With stride 2 and size 3 an even image is padded at its end only.
 */
export function convolution(x: Tensor4D, weight: Tensor, bias: Tensor, stride: 1 | 2 = 1): Tensor4D {
  return tf.conv2d(x, weight as Tensor4D, stride, 'same').add(bias);
}

/** Doubles height and width by repeating pixels. */
export function upsampleNearest(x: Tensor4D): Tensor4D {
  const [batch, height, width, channels] = x.shape;
  const repeated = tf.concat(
    [x, x].map((y) => y.reshape([batch, height, width, 1, channels])),
    3,
  );
  const rows = repeated.reshape([batch, height, 1, 2 * width, channels]);
  return tf.concat([rows, rows], 2).reshape([batch, 2 * height, 2 * width, channels]);
}
