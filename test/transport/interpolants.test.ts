import { describe, expect, it } from 'vitest';
import { float32, runEagerly } from '../../src/tensorflow/index.js';
import { interpolants, over, shiftTime, type TimeFunction } from '../../src/transport/index.js';

const times = [0.003, 0.1, 0.25, 0.5, 0.77, 0.99];

describe.each(Object.values(interpolants))('$name', ({ alpha, dAlpha, sigma, dSigma, wronskian }) => {
  it('goes from noise to data', () => {
    expect(alpha(0)).toBeLessThan(0.01);
    expect(sigma(0)).toBeGreaterThan(0.9999);
    expect(alpha(1)).toBe(1);
    expect(sigma(1)).toBeCloseTo(0, 15);
  });

  it('has the derivatives that differences give', () => {
    const h = 1e-5;
    for (const t of times) {
      // Central differences are exact to h² times the third derivative.
      expect(dAlpha(t)).toBeAllclose((alpha(t + h) - alpha(t - h)) / (2 * h), { relative: 1e-6 });
      expect(dSigma(t)).toBeAllclose((sigma(t + h) - sigma(t - h)) / (2 * h), { relative: 1e-6 });
    }
  });

  it('has the determinant of the map from data and noise to state and velocity', () => {
    for (const t of times)
      expect(wronskian(t)).toBeAllclose(dAlpha(t) * sigma(t) - alpha(t) * dSigma(t), { relative: 1e-12 });
  });

  it.each(Object.entries({ alpha, dAlpha, sigma, dSigma, wronskian }))(
    'gives for tensors what it gives for numbers: %s',
    (_name, f: TimeFunction) => {
      const { value } = runEagerly(({ t }) => ({ value: f(t!) }), {
        t: float32([times.length], Float32Array.from(times)),
      });
      expect(value).toBeAllclose({ shape: [times.length], data: times.map((t) => f(t)) });
    },
  );
});

it('keeps the variance of the preserving paths', () => {
  for (const { alpha, sigma } of [interpolants.gvp, interpolants.vp])
    for (const t of times) expect(alpha(t) ** 2 + sigma(t) ** 2).toBeCloseTo(1, 14);
});

it('shapes the coefficients of a batch so that they multiply samples', () => {
  const { scaled } = runEagerly(
    ({ x, t }) => ({ scaled: x!.mul(over(x!, t!, interpolants.linear.sigma) as never) }),
    {
      x: float32([2, 2, 1], Float32Array.of(1, 2, 3, 4)),
      t: float32([2], Float32Array.of(0.5, 0.75)),
    },
  );
  expect(scaled).toBeAllclose({ shape: [2, 2, 1], data: [0.5, 1, 0.75, 1] });
});

it('shifts times towards the noise by multiplying σ/α', () => {
  for (const t of times) {
    const moved = shiftTime(3)(t);
    expect((1 - moved) / moved).toBeCloseTo((3 * (1 - t)) / t, 9);
  }
  expect([shiftTime(3)(0), shiftTime(3)(1), shiftTime(1)(0.3)]).toEqual([0, 1, 0.3]);
});
