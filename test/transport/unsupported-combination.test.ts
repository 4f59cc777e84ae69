import { describe, expect, it } from 'vitest';
import { float32, runEagerly } from '../../src/tensorflow/index.js';
import {
  diffusionCoefficient,
  type DiffusionForm,
  type InterpolantName,
  interpolants,
  type LastStep,
  type Prediction,
  scoreField,
  sdeDrift,
  type SdeSampler,
  timeInterval,
  unsupportedCombination,
  type VectorField,
  velocityField,
} from '../../src/transport/index.js';

const sde: SdeSampler = {
  kind: 'sde',
  method: 'eulerMaruyama',
  diffusion: 'sigma',
  lastStep: 'mean',
  lastStepSize: 0.04,
};

describe('unsupportedCombination', () => {
  it('accepts every combination at its default epsilons', () => {
    for (const interpolant of ['linear', 'gvp', 'vp'] as const)
      for (const prediction of ['velocity', 'score', 'noise', 'data'] as const)
        for (const lossWeight of ['none', 'velocity', 'likelihood'] as const)
          for (const method of ['eulerMaruyama', 'heun'] as const)
            for (const diffusion of ['constant', 'sbdm', 'sigma'] as const)
              for (const lastStep of ['mean', 'tweedie', 'euler', 'none'] as const)
                for (const size of [0, 0.04])
                  expect(
                    unsupportedCombination({
                      interpolant,
                      prediction,
                      lossWeight,
                      sampler: { kind: 'sde', method, diffusion, lastStep, lastStepSize: size },
                    }),
                  ).toBeUndefined();
  });

  it('tells what divides by zero, where, and what to change', () => {
    const linear = { interpolant: 'linear', prediction: 'velocity', sampleEpsilon: 0 } as const;
    expect(unsupportedCombination({ ...linear, sampler: { ...sde, diffusion: 'sbdm' } })).toBe(
      'the diffusion "sbdm" divides by alpha, which is 0 at t = 0: sampleEpsilon must be above 0',
    );
    expect(
      unsupportedCombination({ ...linear, sampler: { ...sde, lastStep: 'tweedie', lastStepSize: 0 } }),
    ).toBe(
      'the score that lastStep "tweedie" needs divides by sigma, which is 0 at t = 1: sampleEpsilon must be above 0',
    );
    expect(unsupportedCombination({ ...linear, sampler: { ...sde, method: 'heun', lastStep: 'none' } })).toBe(
      'the score that heun needs divides by sigma, which is 0 at t = 1: sampleEpsilon must be above 0',
    );
    expect(
      unsupportedCombination({
        interpolant: 'gvp',
        prediction: 'noise',
        sampleEpsilon: 0,
        sampler: { kind: 'ode', method: 'euler' },
      }),
    ).toBe(
      'the velocity of the prediction "noise" divides by alpha, which is 0 at t = 0: sampleEpsilon must be above 0',
    );
    expect(unsupportedCombination({ interpolant: 'vp', prediction: 'velocity', trainEpsilon: 0 })).toBe(
      'the velocity of the interpolant "vp" divides by sigma, which is 0 at t = 1: trainEpsilon must be above 0',
    );
    expect(
      unsupportedCombination({
        interpolant: 'linear',
        prediction: 'noise',
        lossWeight: 'velocity',
        trainEpsilon: 0,
      }),
    ).toBe('lossWeight "velocity" divides by alpha, which is 0 at t = 0: trainEpsilon must be above 0');
    expect(
      unsupportedCombination({
        interpolant: 'linear',
        prediction: 'score',
        sampler: { ...sde, lastStepSize: 0.9995 },
      }),
    ).toMatch(
      /^sampling would go from t = 0.001 to t = 0.000\d+: lastStepSize or sampleEpsilon is too large$/,
    );
  });

  it('refuses exactly what gives numbers that are not finite', () => {
    const constant: VectorField = (x) => x.mul(0).add(0.5);
    const finite = (
      interpolant: InterpolantName,
      prediction: Prediction,
      diffusion: DiffusionForm,
      lastStep: LastStep,
    ): boolean => {
      const sampler: SdeSampler = { ...sde, diffusion, lastStep, lastStepSize: 0 };
      const [start, end] = timeInterval({ interpolant, prediction }, 0, sampler);
      const transport = { interpolant: interpolants[interpolant], prediction };
      const drift = sdeDrift(transport, constant, diffusionCoefficient(transport.interpolant, diffusion));
      const last: Record<LastStep, VectorField> = {
        mean: drift,
        tweedie: scoreField(transport, constant),
        euler: velocityField(transport, constant),
        none: constant,
      };
      const results = runEagerly(
        ({ x, start, end }) => ({ first: drift(x!, start!), last: last[lastStep](x!, end!) }),
        {
          x: float32([1, 1], Float32Array.of(0.7)),
          start: float32([1], Float32Array.of(start)),
          end: float32([1], Float32Array.of(end)),
        },
      );
      // A division by the float32 nearest to cos(π/2) gives a huge number in place of an infinity.
      return [results.first, results.last].every((value) => Math.abs(value.data[0]!) < 1e6);
    };
    for (const interpolant of ['linear', 'gvp', 'vp'] as const)
      for (const prediction of ['velocity', 'score', 'noise', 'data'] as const)
        for (const [diffusion, lastStep] of [
          ['constant', 'mean'],
          ['constant', 'tweedie'],
          ['constant', 'euler'],
          ['constant', 'none'],
          ['sbdm', 'none'],
        ] as const) {
          const refused = unsupportedCombination({
            interpolant,
            prediction,
            sampleEpsilon: 0,
            sampler: { ...sde, diffusion, lastStep, lastStepSize: 0 },
          });
          expect(
            refused === undefined,
            `${interpolant} ${prediction} ${diffusion} ${lastStep}: ${refused ?? 'accepted'}`,
          ).toBe(finite(interpolant, prediction, diffusion, lastStep));
        }
  });
});
