import { expect, it } from 'vitest';
import { float32, runEagerly } from '../../src/tensorflow/index.js';
import { drawsOf, resolutionShift, timesteps, type TimestepSampling } from '../../src/transport/index.js';

const times = (
  sampling: TimestepSampling,
  draws: number[],
  interval: [number, number] = [0, 1],
  shift?: number,
) =>
  runEagerly(({ draws }) => ({ t: timesteps(sampling, draws!, interval, shift) }), {
    draws: float32([draws.length], Float32Array.from(draws)),
  }).t;

it('spreads uniform draws over the interval', () => {
  expect(drawsOf({ kind: 'uniform' })).toBe('uniform');
  expect(times({ kind: 'uniform' }, [0, 0.25, 1], [0.001, 0.999])).toBeAllclose([0.001, 0.2505, 0.999]);
});

it('puts the median of logit-normal times at the sigmoid of the mean', () => {
  const sampling = { kind: 'logitNormal', mean: 0.5, std: 2 } as const;
  expect(drawsOf(sampling)).toBe('normal');
  const sigmoid = (z: number) => 1 / (1 + Math.exp(-z));
  expect(times(sampling, [-1, 0, 1])).toBeAllclose([sigmoid(-1.5), sigmoid(0.5), sigmoid(2.5)]);
});

it('shifts towards the noise at higher resolutions', () => {
  const shift = resolutionShift(4096, 1024);
  expect(shift).toBe(2);
  expect(times({ kind: 'uniform' }, [0, 0.5, 1], [0, 1], shift)).toBeAllclose([0, 1 / 3, 1]);
});
