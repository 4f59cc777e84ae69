import { describe, expect, it } from 'vitest';
import { integrate, sdeMethods, sdeSampler, stepInputs, uniformTimes } from '../../src/sampling/index.js';
import { float32, floats, type HostTensor, runEagerly, tf } from '../../src/tensorflow/index.js';
import {
  dataFromScore,
  interpolants,
  type LastStep,
  type SdeMethod,
  timeFunction,
  transportOf,
} from '../../src/transport/index.js';
import { measuredOrder } from '../support/order.js';

/** dx = -2x dt + √(2(1 + t)) dW over [0, 1]: every state is a sum of the start and the noises with fixed factors. */
const rate = 2;
const sde = {
  drift: (x: Parameters<typeof tf.mul>[0]) => tf.mul(x, -rate),
  diffusion: timeFunction((t, { add }) => add(t, 1)),
};
/** ∫ 2(1 + s)·exp(-4(1 - s)) ds */
const variance = 0.5 * (2 - 1 / 4) - 0.5 * (1 - 1 / 4) * Math.exp(-4);

/** The states at the end of paths of `count` steps. Noise is given for each step: `[paths, 1]`. */
async function follow(method: SdeMethod, init: Float32Array, noises: readonly Float32Array[]) {
  const step = sdeMethods[method];
  return integrate({
    init: float32([init.length, 1], init),
    times: uniformTimes([0, 1], noises.length + 1),
    step: (x, at) =>
      Promise.resolve(
        runEagerly((inputs) => ({ x: step(sde, inputs as never).x }), {
          ...stepInputs(x, at),
          noise: float32([init.length, 1], noises[at.index]!),
        }).x,
      ),
  });
}

/** What a unit of noise at each step comes to at the end, by a path for each step; and what a unit at the start does. */
async function responses(method: SdeMethod, count: number): Promise<{ mean: number; variance: number }> {
  const init = Float32Array.from({ length: count + 1 }, (_, path) => (path === count ? 1 : 0));
  const noises = Array.from({ length: count }, (_, step) =>
    Float32Array.from({ length: count + 1 }, (_, path) => (path === step ? 1 : 0)),
  );
  const { data } = await follow(method, init, noises);
  const squares = Array.from(data.subarray(0, count), (response) => response ** 2);
  return { mean: data[count]!, variance: squares.reduce((sum, square) => sum + square, 0) };
}

/** Standard normal numbers from a fixed seed (mulberry32 and Box–Muller). */
function normals(seed: number): () => number {
  let state = seed;
  const uniform = () => {
    state = (state + 0x6d2b79f5) | 0;
    let z = Math.imul(state ^ (state >>> 15), 1 | state);
    z = (z + Math.imul(z ^ (z >>> 7), 61 | z)) ^ z;
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

/** Orders in the mean and the variance, strong order, and `mean` of a step from 2 over 0.01 with a unit of noise. */
const methods: Record<SdeMethod, Readonly<Record<'mean' | 'variance' | 'strong' | 'before', number>>> = {
  eulerMaruyama: { mean: 1, variance: 1, strong: 1, before: 2 - rate * 2 * 0.01 },
  heun: { mean: 2, variance: 1, strong: 1, before: 2 + Math.sqrt(2 * 1.5 * 0.01) },
};

describe.each(Object.entries(methods))('%s', (name, orders) => {
  const method = name as SdeMethod;
  it(`has weak order ${orders.mean} in the mean and ${orders.variance} in the variance`, async () => {
    const steps = [16, 32, 64];
    const errors = { mean: [] as number[], variance: [] as number[] };
    for (const count of steps) {
      const found = await responses(method, count);
      errors.mean.push(Math.abs(found.mean - Math.exp(-rate)));
      errors.variance.push(Math.abs(found.variance - variance));
    }
    expect(Math.abs(measuredOrder(steps, errors.mean) - orders.mean)).toBeLessThan(0.2);
    expect(Math.abs(measuredOrder(steps, errors.variance) - orders.variance)).toBeLessThan(0.2);
  });

  it(`has strong order ${orders.strong}`, async () => {
    // The finest path stands for the exact one; coarser paths get the sums of its noises.
    const paths = 300;
    const finest = 512;
    const draw = normals(7);
    const fine = Array.from({ length: finest }, () => Float32Array.from({ length: paths }, draw));
    const coarse = (count: number) => {
      const group = finest / count;
      return Array.from({ length: count }, (_, step) =>
        Float32Array.from({ length: paths }, (_, path) => {
          let sum = 0;
          for (let i = step * group; i < (step + 1) * group; i++) sum += fine[i]![path]!;
          return sum / Math.sqrt(group);
        }),
      );
    };
    const init = new Float32Array(paths);
    const exact = await follow(method, init, fine);
    const steps = [8, 16, 32];
    const errors: number[] = [];
    for (const count of steps) {
      const data = await follow(method, init, coarse(count));
      errors.push(floats(data).reduce((sum, value, i) => sum + Math.abs(value - exact.data[i]!), 0) / paths);
    }
    expect(Math.abs(measuredOrder(steps, errors) - orders.strong)).toBeLessThan(0.2);
  });

  it('tells the state before what it added last', () => {
    const inputs = { ...stepInputs(float32([1, 1], Float32Array.of(2)), { t: 0.5, dt: 0.01 }) };
    const noise = float32([1, 1], Float32Array.of(1));
    const { mean } = runEagerly((given) => sdeMethods[method](sde, given as never), { ...inputs, noise });
    expect(mean).toBeAllclose([[orders.before]]);
  });
});

describe('last steps', () => {
  const transport = transportOf({ interpolant: 'linear', prediction: 'velocity' });
  const programs = (lastStep: LastStep) =>
    sdeSampler(transport, { method: 'eulerMaruyama', diffusion: 'sigma', lastStep, diffusionNorm: 2 }, (x) =>
      tf.mul(x, 3),
    );
  const x = 0.8;
  const t = 0.9;
  const dt = 0.1;
  const score = (t * 3 * x - x) / (1 - t);
  it.each<[LastStep, number]>([
    ['mean', x + (3 * x + 2 * (1 - t) * score) * dt],
    ['euler', x + 3 * x * dt],
    ['tweedie', (x + (1 - t) ** 2 * score) / t],
  ])('%s', (lastStep, expected) => {
    const inputs = stepInputs(float32([1, 1], Float32Array.of(x)), { t, dt });
    const { x: last } = runEagerly((given) => programs(lastStep).lastStep!(given as never), inputs);
    expect(last).toBeAllclose([[expected]]);
  });

  it('none is none', () => {
    expect(programs('none').lastStep).toBeUndefined();
  });

  it("has Tweedie's formula right for Gaussian data", () => {
    // Data N(0, s²): E[x₁|x] = x·α·s²/(α²s² + σ²).
    const s = 0.5;
    for (const interpolant of Object.values(interpolants)) {
      const { alpha, sigma } = interpolant;
      const total = alpha(t) ** 2 * s * s + sigma(t) ** 2;
      const { data } = runEagerly(
        ({ x, t }) => ({ data: dataFromScore(interpolant, tf.mul(x!, -1 / total), x!, t!) }),
        stepInputs(float32([1, 1], Float32Array.of(x)), { t, dt }) as Record<string, HostTensor>,
      );
      expect(data).toBeAllclose([[(x * alpha(t) * s * s) / total]]);
    }
  });
});
