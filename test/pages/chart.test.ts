import { describe, expect, it } from 'vitest';
import { linearScale, logScale, roomyScale, seriesOf, smooth, thin } from '../../src/pages/chart/axes.js';

describe('scales', () => {
  it('put ticks at round values', () => {
    expect(linearScale(20, 700, 6).ticks).toEqual([200, 400, 600]);
    expect(linearScale(0.13, 0.42, 5).ticks).toEqual([0.2, 0.3, 0.4]);
    expect(linearScale(-1, 1, 4).ticks).toEqual([-1, -0.5, 0, 0.5, 1]);
    expect(logScale(0.1, 1, 5).ticks).toEqual([0.1, 0.2, 0.5, 1]);
    expect(logScale(1e-8, 1e-3, 3).ticks).toEqual([1e-8, 1e-6, 1e-4]);
  });

  it('place values between 0 and 1', () => {
    const { place } = linearScale(20, 700, 6);
    expect([place(20), place(360), place(700)]).toEqual([0, 0.5, 1]);
    const log = logScale(1, 10_000, 5);
    expect(log.place(100)).toBeCloseTo(0.5, 12);
    expect(log.place(1)).toBeGreaterThan(0);
    expect(roomyScale(3, 3, 5).place(3)).toBeCloseTo(0.5, 12);
  });

  it('leave room, but none below 0 for what cannot be there', () => {
    expect(roomyScale(0.01, 1, 5).domain[0]).toBe(0);
    expect(roomyScale(-1, 1, 5).domain).toEqual([-1.1, 1.1]);
  });
});

describe('series', () => {
  it('are the figures of a log, without what is not finite', () => {
    const [loss, rate] = seriesOf([
      { step: 1, loss: 3 },
      { step: 2, loss: null, rate: 4 },
      { step: 3, loss: 5 },
    ]);
    expect(loss).toMatchObject({ name: 'loss', steps: [1, 3], values: [3, 5] });
    expect(rate).toMatchObject({ name: 'rate', steps: [2], values: [4] });
  });

  it('are smoothed without being shifted: a line stays itself, noise shrinks', () => {
    const line = Array.from({ length: 200 }, (_, i) => 3 * i);
    smooth(line).forEach((value, i) => {
      expect(value).toBeCloseTo(line[i]!, 9);
    });
    const noise = line.map((_, i) => (i % 2 === 0 ? 1 : -1));
    expect(Math.max(...smooth(noise).slice(20, -20).map(Math.abs))).toBeLessThan(0.2);
  });

  it('keep their extremes and ends when thinned', () => {
    const values = Array.from({ length: 20_000 }, (_, i) =>
      i === 12_345 ? 99 : i === 777 ? -99 : Math.sin(i),
    );
    const steps = values.map((_, i) => i);
    const thinned = thin({ name: 'loss', steps, values, smoothed: values });
    expect(thinned.steps.length).toBeLessThanOrEqual(800);
    expect([Math.min(...thinned.values), Math.max(...thinned.values)]).toEqual([-99, 99]);
    expect([thinned.steps[0], thinned.steps.at(-1)]).toEqual([0, 19_999]);
  });
});
