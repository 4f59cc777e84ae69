import { describe, expect, it } from 'vitest';
import {
  bitsPerDimension,
  fixedStepMethods,
  integrate,
  likelihoodField,
  likelihoodState,
  logLikelihood,
  stepInputs,
  uniformTimes,
} from '../../src/sampling/index.js';
import { float32, type Tensor, tf } from '../../src/tensorflow/index.js';
import { interpolants, type VectorField } from '../../src/transport/index.js';
import { executionNames, openExecution } from '../../tools/parity/execution.js';

describe.each(executionNames)('log-likelihood, %s', (name) => {
  it('is that of the Gaussian that the flow leads to', async () => {
    // Data N(0, s²) on the linear path: the velocity is x·(α'αs² + σ'σ)/(α²s² + σ²), the marginal at t = 0 N(0, 1).
    const s = 0.6;
    const { alpha, dAlpha, sigma, dSigma } = interpolants.linear;
    const velocity: VectorField = (x, t) => {
      const scaled = tf.add(tf.mul(tf.mul(dAlpha(t), alpha(t)), s * s), tf.mul(dSigma(t), sigma(t)));
      const variance = tf.add(tf.mul(tf.square(alpha(t)), s * s), tf.square(sigma(t)));
      return tf.mul(x, tf.div(scaled, variance).reshape([t.size, 1, 1]));
    };
    const data = float32([2, 1, 3], Float32Array.of(0.3, -0.7, 0.1, 1.2, 0.5, -0.2));
    // For a field that scales, every probe of signs gives the divergence itself.
    const probe = float32([2, 1, 3], Float32Array.of(1, -1, 1, -1, -1, 1));
    const execution = openExecution(name);
    const step = await execution.prepare(
      ({ x, t, dt, probe }: Record<'x' | 't' | 'dt' | 'probe', Tensor>) => ({
        x: fixedStepMethods.rk4.step(likelihoodField(velocity, probe), { x, t, dt }).x,
      }),
    );
    const end = await integrate({
      init: likelihoodState(data),
      times: uniformTimes([1, 0], 21),
      step: async (x, at) => (await step({ ...stepInputs(x, at), probe })).x,
    });
    await execution.close();
    const expected = [0, 1].map((row) => {
      const squares = Array.from(data.data.subarray(3 * row, 3 * row + 3), (x) => (x / s) ** 2);
      return -(3 * Math.log(2 * Math.PI * s * s) + squares[0]! + squares[1]! + squares[2]!) / 2;
    });
    expect(logLikelihood(end)).toBeAllclose(expected, { absolute: 1e-4 });
  });

  it('uses exact products with the Jacobian', async () => {
    const matrix = [
      [1, 2, 0],
      [-1, 3, 4],
      [0.5, 0, -2],
    ];
    const execution = openExecution(name);
    const run = await execution.prepare(({ state, t, probe }: Record<'state' | 't' | 'probe', Tensor>) => ({
      value: likelihoodField((x) => tf.matMul(tf.mul(x, tf.square(x)), tf.tensor2d(matrix)), probe)(state, t),
    }));
    const x = [0.5, -1, 2];
    const signs = [1, -1, -1];
    const { value } = await run({
      state: likelihoodState(float32([1, 3], Float32Array.from(x))),
      t: float32([1], Float32Array.of(0)),
      probe: float32([1, 3], Float32Array.from(signs)),
    });
    await execution.close();
    // The Jacobian of x³·M has entries 3x_j²·M[j][i].
    const estimate = matrix.reduce(
      (sum, row, j) => sum + row.reduce((part, m, i) => part + signs[i]! * m * 3 * x[j]! ** 2 * signs[j]!, 0),
      0,
    );
    expect(value.data[3]).toBeAllclose(estimate);
  });
});

it('bitsPerDimension is the mean of -log₂ p', () => {
  expect(bitsPerDimension(Math.log(1 / 8), 3)).toBeCloseTo(1, 12);
});
