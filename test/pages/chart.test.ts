import { describe, expect, it } from 'vitest';
import { linearScale, logScale, roomyScale, seriesOf, thin, tickTexts } from '../../src/pages/chart/axes.js';
import { smoothed, spread } from '../../src/pages/chart/smooth.js';

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

  it('keep their extremes and ends when thinned', () => {
    const values = Array.from({ length: 20_000 }, (_, i) =>
      i === 12_345 ? 99 : i === 777 ? -99 : Math.sin(i),
    );
    const steps = values.map((_, i) => i);
    const thinned = thin({ name: 'loss', steps, values });
    expect(thinned.steps.length).toBeLessThanOrEqual(800);
    expect([Math.min(...thinned.values), Math.max(...thinned.values)]).toEqual([-99, 99]);
    expect([thinned.steps[0], thinned.steps.at(-1)]).toEqual([0, 19_999]);
    // Extremes are not what curves are smoothed by: the means of even stretches have the mean of all.
    const mean = (all: readonly number[]) => all.reduce((a, b) => a + b) / all.length;
    expect(mean(thinned.means!.values)).toBeCloseTo(mean(values), 10);
    expect(mean(thinned.means!.steps)).toBeCloseTo(mean(steps), 6);
  });
});

describe('curves', () => {
  const random = Array.from({ length: 60 }, (_, i) => Math.sin(i * 12.9898) * 3 + i / 20);
  const even = random.map((_, i) => 10 * i);

  it('are smoothed as the weighted mean of what came before, from the first point on', () => {
    // The closed form of an exponential average whose start is corrected (pandas: ewm(adjust=True)).
    const [weight, range] = [0.93, 590];
    const perPoint = weight ** ((1000 * 10) / range);
    const wanted = random.map((_, i) => {
      const weights = random.slice(0, i + 1).map((_, j) => perPoint ** (i - j));
      return weights.reduce((sum, each, j) => sum + each * random[j]!, 0) / weights.reduce((a, b) => a + b);
    });
    smoothed(even, random, weight, range).forEach((value, i) => {
      expect(value).toBeCloseTo(wanted[i]!, 12);
    });
    expect(smoothed(even, random, 0, range)).toEqual(random);
    expect(new Set(smoothed([1, 5, 6], [2, 2, 2], 0.99, 5))).toEqual(new Set([2]));
  });

  it('are smoothed alike whether many or few of their points were logged', () => {
    const course = (every: number): number => {
      const steps = Array.from({ length: 1000 / every + 1 }, (_, i) => i * every);
      return smoothed(
        steps,
        steps.map((step) => (step < 500 ? 0 : 1)),
        0.99,
        1000,
      )[steps.indexOf(600)]!;
    };
    // A step that was made a tenth of the range ago: 1 − 0.99^100 of it shows, up to the width of one point.
    expect(course(1)).toBeCloseTo(1 - 0.99 ** 100, 1);
    expect(course(10)).toBeCloseTo(course(1), 1);
  });

  it('of several seeds are one, with the band that they lie in, where all of them are', () => {
    const band = spread([
      { steps: [0, 10, 20], values: [1, 2, 3] },
      { steps: [5, 10, 15, 30], values: [3, 4, 5, 6] },
    ]);
    expect(band.steps).toEqual([5, 10, 15, 20]);
    expect(band.least).toEqual([1.5, 2, 2.5, 3]);
    expect(band.greatest[0]).toBe(3);
    expect(band.mean).toEqual([2.25, 3, 3.75, expect.closeTo((3 + 5 + 1 / 3) / 2, 12)]);
  });
});

it('labels ticks with as many digits as tell them apart, and rounds none to another number', () => {
  expect(tickTexts([0, 0.05, 0.1])).toEqual(['0', '0.05', '0.1']);
  expect(tickTexts([1005, 1010, 1015])).toEqual(['1,005', '1,010', '1,015']);
  expect(tickTexts([5.490001, 5.4900015, 5.490002])).toEqual(['5.490001', '5.4900015', '5.490002']);
  expect(new Set(tickTexts([1.0001e-5, 1.0002e-5])).size).toBe(2);
});
