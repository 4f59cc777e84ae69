import { type Tensor, tf } from '../../src/tensorflow/index.js';
import type { VectorField } from '../../src/transport/index.js';

/** The function that stands for a network in fixtures of transport and samplers: tanh(x)·(1.5 - t) + 0.3·sin(3x + t). */
export const analyticModel: VectorField = (x: Tensor, t: Tensor) =>
  tf.tidy(() => {
    const time = t.reshape([t.size, ...x.shape.slice(1).map(() => 1)]);
    return tf.add(tf.mul(tf.tanh(x), tf.sub(1.5, time)), tf.mul(tf.sin(tf.add(tf.mul(x, 3), time)), 0.3));
  });
