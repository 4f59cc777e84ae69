import { describe, expect, it } from 'vitest';
import {
  adamsBashforthStep,
  adaptiveStep,
  fixedStepMethods,
  integrate,
  integrateAdaptive,
  integrateMultistep,
  multistepWeights,
  stepInputs,
  type Tolerances,
  uniformTimes,
} from '../../src/sampling/index.js';
import { float32, type HostTensor, runEagerly, type Tensor, tf } from '../../src/tensorflow/index.js';
import { type AdaptiveMethod, odeIntegrators, type VectorField } from '../../src/transport/index.js';
import { measuredOrder } from '../support/order.js';

/** x' = 4·cos(4t)·x, with the solution x₀·exp(sin 4t). */
const field: VectorField = (x, t) => tf.mul(x, tf.mul(tf.cos(tf.mul(t, 4)), 4).reshape([t.size, 1]));
const solution = (x0: number, t: number) => x0 * Math.exp(Math.sin(4 * t));
const start = float32([2, 1], Float32Array.of(1, -0.5));
const exact = (t: number): HostTensor => float32([2, 1], Float32Array.of(solution(1, t), solution(-0.5, t)));

type StepProgram = Record<'x' | 't' | 'dt', Tensor>;
const run = <I extends Record<string, Tensor>, O extends Record<string, Tensor>>(
  program: (inputs: I) => O,
): ((inputs: Record<keyof I, HostTensor>) => Promise<Record<keyof O, HostTensor>>) => {
  return (inputs) => Promise.resolve(runEagerly(program, inputs));
};

/** Largest error at the end. */
function errorOf(found: HostTensor, t: number): number {
  return Math.max(...Array.from(found.data, (value, i) => Math.abs(value - exact(t).data[i]!)));
}

// The counts of steps keep errors between 0.3 and 2e-5: asymptotic, and well above single precision's rounding.
const grids: Record<keyof typeof fixedStepMethods, readonly number[]> = {
  euler: [64, 128, 256],
  midpoint: [16, 32, 64],
  heun: [16, 32, 64],
  heun3: [12, 24, 48],
  rk4: [8, 12, 16],
};

describe.each(Object.entries(fixedStepMethods))('%s', (name, { order, evaluations, step }) => {
  const follow = (times: readonly number[], init = start) => {
    const program = run((inputs: StepProgram) => ({ x: step(field, inputs).x }));
    return integrate({ init, times, step: async (x, at) => (await program(stepInputs(x, at))).x });
  };

  it(`has order ${order}`, async () => {
    const steps = grids[name as keyof typeof grids];
    const errors: number[] = [];
    for (const count of steps) errors.push(errorOf(await follow(uniformTimes([0, 1], count + 1)), 1));
    expect(measuredOrder(steps, errors)).toBeGreaterThan(order - 0.25);
    // A single problem can be kinder than the order promises, though not by a whole one.
    expect(measuredOrder(steps, errors)).toBeLessThan(order + 1);
  });

  it('finds its way back', async () => {
    const there = await follow(uniformTimes([0, 0.5], 201));
    const back = await follow(uniformTimes([0.5, 0], 201), there);
    expect(back).toBeAllclose(start, { absolute: 0.05 ** Math.min(order, 3) + 0.02 / 4 ** order });
  });

  it('evaluates the field as often as it says', () => {
    let count = 0;
    const counting: VectorField = (x, t) => {
      count++;
      return field(x, t);
    };
    runEagerly((inputs: StepProgram) => step(counting, inputs), stepInputs(start, { t: 0, dt: 0.1 }));
    expect(count).toBe(evaluations);
  });
});

describe('Adams-Bashforth', () => {
  const follow = (order: number, times: readonly number[]) => {
    const { step } = order > 3 ? fixedStepMethods.heun3 : fixedStepMethods.heun;
    return integrateMultistep({
      init: start,
      times,
      order,
      start: run((inputs: StepProgram) => step(field, inputs)),
      step: run((inputs: Record<'x' | 't' | 'history' | 'weights', Tensor>) =>
        adamsBashforthStep(field, inputs),
      ),
    });
  };

  it.each([
    [1, [64, 128, 256]],
    [2, [32, 64, 128]],
    [3, [32, 64, 128]],
    [4, [32, 48, 64]],
  ])('has order %i', async (order, steps) => {
    const errors: number[] = [];
    for (const count of steps) errors.push(errorOf(await follow(order, uniformTimes([0, 1], count + 1)), 1));
    expect(measuredOrder(steps, errors)).toBeGreaterThan(order - 0.25);
    expect(measuredOrder(steps, errors)).toBeLessThan(order + 0.6);
  });

  it('has it on unequal steps', async () => {
    const errors: number[] = [];
    const steps = [32, 64, 128];
    for (const count of steps) {
      const times = uniformTimes([0, 1], count + 1).map((t) => t * (0.5 + 0.5 * t));
      errors.push(errorOf(await follow(3, times), 1));
    }
    expect(measuredOrder(steps, errors)).toBeGreaterThan(2.75);
  });

  it('weighs as the tables do', () => {
    expect(multistepWeights([0.3], 0.4)).toBeAllclose([0.1]);
    expect(multistepWeights([0.3, 0.2], 0.4)).toBeAllclose([0.15, -0.05]);
    expect(multistepWeights([0.3, 0.2, 0.1], 0.4)).toBeAllclose([23 / 120, -16 / 120, 5 / 120]);
    expect(multistepWeights([0.3, 0.2, 0.1, 0], 0.4)).toBeAllclose(
      [55, -59, 37, -9].map((weight) => weight / 240),
    );
    expect(multistepWeights([0.3, 0.4], 0.2)).toBeAllclose([-0.15, 0.05]);
  });
});

/** Counts of steps whose errors are asymptotic, and a bound on the evaluations at tolerances of 1e-5. */
const adaptive: Record<AdaptiveMethod, { readonly steps: readonly number[]; readonly evaluations: number }> =
  {
    dopri5: { steps: [4, 6, 8], evaluations: 400 },
  };

describe.each(Object.entries(adaptive))('%s', (name, { steps, evaluations: most }) => {
  const integrator = odeIntegrators[name as AdaptiveMethod];
  const { order } = integrator;
  const follow = (
    tolerances: Tolerances,
    times: readonly number[],
    control: 'sample' | 'batch' = 'sample',
    init = start,
  ) =>
    integrateAdaptive({
      init,
      times,
      integrator,
      tolerances,
      control,
      field: run(({ x, t }: Record<'x' | 't', Tensor>) => ({ f: field(x, t) })),
      step: run((inputs: StepProgram & { f: Tensor }) => adaptiveStep(integrator, field, inputs, tolerances)),
    });

  it(`has order ${order}, and one less or more in the middle of its steps`, () => {
    const errors: number[] = [];
    const middles: number[] = [];
    for (const count of steps) {
      const dt = float32([], Float32Array.of(1 / count));
      let x = start;
      for (let i = 0; i < count; i++) {
        const inputs = { x, t: float32([2], new Float32Array(2).fill(i / count)), dt };
        const result = runEagerly(
          ({ x, t, dt }: StepProgram) =>
            adaptiveStep(integrator, field, { x, t, dt, f: field(x, t) }, { absolute: 1, relative: 1 }),
          inputs,
        );
        if (i === 0) middles.push(errorOf(result.middle, 0.5 / count));
        x = result.x;
      }
      errors.push(errorOf(x, 1));
    }
    expect(measuredOrder(steps, errors)).toBeGreaterThan(order - 0.4);
    // The error of one half step: one order more than that of a path.
    expect(measuredOrder(steps, middles)).toBeGreaterThan(order - 0.4);
  });

  it('keeps what is tolerated, also between its steps and on the way back', async () => {
    const times = uniformTimes([0, 1.3], 14);
    const { states, evaluations } = await follow({ absolute: 1e-5, relative: 1e-5 }, times);
    for (const [i, t] of times.entries()) expect(states[i]!).toBeAllclose(exact(t), { absolute: 2e-4 });
    expect(evaluations).toBeLessThan(most);
    const back = await follow(
      { absolute: 1e-5, relative: 1e-5 },
      [...times].reverse(),
      'sample',
      states.at(-1),
    );
    expect(back.states.at(-1)!).toBeAllclose(start, { absolute: 4e-4 });
  });

  it('makes fewer steps where more is tolerated', async () => {
    const strict = await follow({ absolute: 1e-6, relative: 1e-5 }, [0, 1]);
    const loose = await follow({ absolute: 1e-3, relative: 1e-2 }, [0, 1]);
    expect(loose.evaluations).toBeLessThan(strict.evaluations / 1.5);
  });

  it('gives a sample the same path whatever its batch holds, unless the batch has one step size', async () => {
    const bent: VectorField = (x, t) => tf.mul(field(x, t), tf.add(tf.cos(tf.mul(x, 5)), 1.5));
    const path = async (init: HostTensor, control: 'sample' | 'batch') => {
      const tolerances = { absolute: 1e-3, relative: 1e-2 };
      const { states } = await integrateAdaptive({
        init,
        times: [0, 0.3, 1],
        integrator,
        tolerances,
        control,
        field: run(({ x, t }: Record<'x' | 't', Tensor>) => ({ f: bent(x, t) })),
        step: run((inputs: StepProgram & { f: Tensor }) =>
          adaptiveStep(integrator, bent, inputs, tolerances),
        ),
      });
      return states.map(({ data }) => data[0]!);
    };
    const alone = float32([1, 1], Float32Array.of(0.1));
    const together = float32([2, 1], Float32Array.of(0.1, -0.6));
    expect(await path(together, 'sample')).toEqual(await path(alone, 'sample'));
    expect(await path(together, 'batch')).not.toEqual(await path(alone, 'batch'));
  });

  it('gives up on a field that has no finite values', async () => {
    const broken: VectorField = (x) => tf.div(x, 0);
    await expect(
      integrateAdaptive({
        init: start,
        times: [0, 1],
        integrator,
        tolerances: { absolute: 1e-3, relative: 1e-3 },
        control: 'batch',
        field: run(({ x, t }: Record<'x' | 't', Tensor>) => ({ f: broken(x, t) })),
        step: run((inputs: StepProgram & { f: Tensor }) =>
          adaptiveStep(integrator, broken, inputs, { absolute: 1e-3, relative: 1e-3 }),
        ),
      }),
    ).rejects.toThrow('found no step size');
  });
});
