import { type Tensor, type Tensor4D, tf } from '../tensorflow/index.js';

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
