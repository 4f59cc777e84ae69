import { describe, expect, it } from 'vitest';
import { CachedFeatures } from '../../src/sampling/feature-cache.js';
import { predictedFeature, taylorFactors, updatedDifferences } from '../../src/sampling/index.js';
import { float32, runEagerly, type Tensor } from '../../src/tensorflow/index.js';

const one = (...values: number[]) => float32([1, values.length], Float32Array.from(values));

/** Follows a feature of one number over steps, computing it where asked, and gives what is used at each. */
function follow(feature: (step: number) => number, steps: number, interval: number, order: number): number[] {
  const cache = new CachedFeatures({ interval, order, firstSteps: 2 }, 1, steps - 1);
  cache.begin([1], false);
  return Array.from({ length: steps }, (_, step) => {
    const { computed } = cache.divide([0], step);
    if (computed.length === 0) {
      const { differences, factors } = cache.series([0], step);
      const { value } = runEagerly(
        (i: Record<'differences' | 'factors', Tensor>) => ({
          value: predictedFeature(i.differences, i.factors),
        }),
        { differences, factors },
      );
      return value.data[0]!;
    }
    const before = cache.before([0], step);
    const { after } = runEagerly(
      (i: Record<'f' | 'differences' | 'perGap', Tensor>): Record<'after', Tensor> => ({
        after: updatedDifferences(i.f, i.differences, i.perGap),
      }),
      { f: one(feature(step)), ...before },
    );
    cache.keep([0], step, after);
    return feature(step);
  });
}

describe('features', () => {
  it('are reused with order 0, and computed at the interval and at the last step', () => {
    expect(follow((step) => step, 9, 3, 0)).toEqual([0, 1, 1, 1, 4, 4, 4, 7, 8]);
  });

  it('are exact with order 1 where they change evenly', () => {
    expect(follow((step) => 3 * step - 2, 12, 4, 1)).toBeAllclose(
      Array.from({ length: 12 }, (_, step) => 3 * step - 2),
    );
  });

  it('come nearer with every order where they are smooth', () => {
    const smooth = (step: number) => Math.exp(step / 20);
    const errors = [0, 1, 2].map((order) =>
      Math.max(...follow(smooth, 40, 3, order).map((value, step) => Math.abs(value - smooth(step)))),
    );
    expect(errors[1]!).toBeLessThan(errors[0]! / 3);
    expect(errors[2]!).toBeLessThan(errors[1]! / 1.3);
  });

  it('begin anew where guidance begins or ends', () => {
    const cache = new CachedFeatures({ interval: 4, order: 1, firstSteps: 1 }, 1, 99);
    cache.begin([1], false);
    cache.keep([0], 0, float32([1, 2, 1], new Float32Array(2)));
    expect(cache.divide([0], 1).predicted).toEqual([0]);
    cache.begin([2], true);
    expect(cache.divide([0], 1).computed).toEqual([0]);
  });
});

it('taylorFactors are powers over factorials', () => {
  expect(taylorFactors(2, 3, 9)).toBeAllclose([1, 2, 2, 8 / 6]);
  expect(taylorFactors(2, 3, 2)).toEqual([1, 2, 0, 0]);
});
