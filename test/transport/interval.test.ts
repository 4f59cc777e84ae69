import { describe, expect, it } from 'vitest';
import {
  defaultSampleEpsilon,
  defaultTrainEpsilon,
  lastStepSize,
  type OdeMethod,
  type SdeSampler,
  timeInterval,
  type TimeInterval,
  type TransportChoice,
} from '../../src/transport/index.js';

const linearVelocity: TransportChoice = { interpolant: 'linear', prediction: 'velocity' };
const linearScore: TransportChoice = { interpolant: 'linear', prediction: 'score' };
const gvpNoise: TransportChoice = { interpolant: 'gvp', prediction: 'noise' };
const vpVelocity: TransportChoice = { interpolant: 'vp', prediction: 'velocity' };
const sde = (options: Partial<SdeSampler> = {}): SdeSampler => ({
  kind: 'sde',
  method: 'eulerMaruyama',
  diffusion: 'sigma',
  lastStep: 'mean',
  lastStepSize: 0.04,
  ...options,
});
const ode = (method: OdeMethod) => ({ kind: 'ode', method }) as const;

describe('timeInterval', () => {
  it.each<[string, TransportChoice, Parameters<typeof timeInterval>[2], TimeInterval]>([
    ['a velocity is trained on everywhere', linearVelocity, undefined, [0, 1]],
    ['a score stays away from both ends', linearScore, undefined, [0.01, 0.99]],
    ['so does a noise', gvpNoise, undefined, [0.01, 0.99]],
    ['vp is regular at the noise', vpVelocity, undefined, [0, 0.99]],
    ['an ODE of a velocity has the whole interval', linearVelocity, ode('dopri5'), [0, 1]],
    ['so has one of data', { interpolant: 'linear', prediction: 'data' }, ode('dopri5'), [0, 1]],
    ['an ODE of a score does not', linearScore, ode('euler'), [0.01, 0.99]],
    ['an SDE leaves room for its last step', linearVelocity, sde(), [0, 0.96]],
    ['and a step that is none needs none', linearVelocity, sde({ lastStep: 'none' }), [0, 0.99]],
    ['nor one of size 0', linearVelocity, sde({ lastStepSize: 0 }), [0, 0.99]],
    ['sbdm starts later', linearVelocity, sde({ diffusion: 'sbdm' }), [0.01, 0.96]],
    ['but not with vp', vpVelocity, sde({ diffusion: 'sbdm' }), [0, 0.96]],
    ['an SDE of a score', linearScore, sde(), [0.01, 0.96]],
  ])('%s', (_title, transport, sampler, expected) => {
    expect(timeInterval(transport, 0.01, sampler)).toEqual(expected);
  });

  it('knows that an ODE and a last step that is none take no time', () => {
    expect([sde(), sde({ lastStep: 'none' }), ode('rk4')].map(lastStepSize)).toEqual([0.04, 0, 0]);
  });
});

describe('default epsilons', () => {
  it('keep away from the ends where something vanishes', () => {
    expect([linearVelocity, linearScore, gvpNoise, vpVelocity].map(defaultTrainEpsilon)).toEqual([
      0, 1e-3, 1e-3, 1e-5,
    ]);
  });

  it.each([
    ['a velocity', linearVelocity, undefined, 0],
    ['a score', linearScore, undefined, 1e-3],
    ['vp', vpVelocity, ode('euler'), 1e-3],
    ['an ODE of a velocity', linearVelocity, ode('dopri5'), 0],
    ['an SDE that stops early', linearVelocity, sde(), 0],
    ['sbdm', linearVelocity, sde({ diffusion: 'sbdm' }), 1e-3],
    ['Heun up to the end', linearVelocity, sde({ method: 'heun', lastStep: 'none' }), 1e-3],
    ['Euler-Maruyama up to the end', linearVelocity, sde({ lastStep: 'none' }), 0],
    ['Tweedie at the end', linearVelocity, sde({ lastStep: 'tweedie', lastStepSize: 0 }), 1e-3],
    ['an Euler step at the end', linearVelocity, sde({ lastStep: 'euler', lastStepSize: 0 }), 0],
  ])('for sampling: %s', (_title, transport, sampler, expected) => {
    expect(defaultSampleEpsilon(transport, sampler)).toBe(expected);
  });
});
