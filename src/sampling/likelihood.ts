import { float32, type HostTensor, sizeOf, type Tensor, tf } from '../tensorflow/index.js';
import type { VectorField } from '../transport/index.js';

/**
 * The likelihood of data under a flow: following the velocity back to the noise, the log-density changes by the
 * field's divergence, which is estimated as probeᵀ·J·probe with the exact Jacobian product of differentiation.
 *
 * Source: Chen et al., "Neural ODEs" (2018); Hutchinson's estimate: Grathwohl et al., "FFJORD" (2019).
 */

/** The states `[batch, size + 1]` that `likelihoodField` moves: each sample's numbers, then 0. */
export function likelihoodState({ shape, data }: HostTensor): HostTensor {
  const batch = shape[0]!;
  const size = sizeOf(shape.slice(1));
  const state = new Float32Array(batch * (size + 1));
  for (let row = 0; row < batch; row++)
    state.set(data.subarray(row * size, (row + 1) * size), row * (size + 1));
  return float32([batch, size + 1], state);
}

/**
 * The field on the states of `likelihoodState`: the velocity, then its divergence. Integrate it from data to noise.
 *
 * @param probe random numbers of mean 0 and variance 1, shaped as the data `[batch, …]`: signs give the least variance.
 *   The same probe over a whole path keeps the field deterministic.
 */
export function likelihoodField(velocity: VectorField, probe: Tensor): VectorField {
  const { shape } = probe;
  const batch = shape[0];
  const size = sizeOf(shape.slice(1));
  return (state, t) =>
    tf.tidy(() => {
      const x = tf.slice(state, [0, 0], [batch, size]).reshape(shape);
      const { value, grad } = tf.valueAndGrad((at: Tensor) => velocity(at, t))(x, probe);
      const divergence = tf.sum(tf.mul(grad, probe).reshape([batch, size]), 1, true);
      return tf.concat([value.reshape([batch, size]), divergence], 1);
    });
}

/** log p of each sample, in nats, from the states at the noise end. */
export function logLikelihood({ shape, data }: HostTensor): Float64Array {
  const [batch = 0, width = 1] = shape;
  const size = width - 1;
  return Float64Array.from({ length: batch }, (_, row) => {
    let squares = 0;
    for (let i = 0; i < size; i++) squares += data[row * width + i]! ** 2;
    const prior = -(size * Math.log(2 * Math.PI) + squares) / 2;
    return prior + data[row * width + size]!;
  });
}

/** Negative log-likelihood in bits for each of a sample's numbers. */
export function bitsPerDimension(logLikelihood: number, dimensions: number): number {
  return -logLikelihood / (dimensions * Math.LN2);
}
