import { describe, expect, it } from 'vitest';
import {
  knee,
  paretoFrontier,
  phasedCost,
  phasedSteps,
  type PhaseOptions,
  type PhaseStep,
  predictDeviation,
  predictSwitches,
  ratioTuples,
  spreadOverCosts,
} from '../../src/sampling/index.js';
import { float32 } from '../../src/tensorflow/index.js';

describe('predictSwitches', () => {
  const options: PhaseOptions = { distance: 'mae', firstSteps: 2, switchRatios: [0.9, 0.5] };

  it('agrees with what phased steps do where all models move alike', async () => {
    const distances = [5, 3, 4, 3.4, 2.9, 3.3, 1.6, 2, 0.1];
    let step = 0;
    const moved: PhaseStep = (x) =>
      Promise.resolve(float32([1, 1], Float32Array.of(x.data[0]! + distances[step++]!)));
    const phased = phasedSteps(1, options, [moved, moved, moved]);
    let x = float32([1, 1], Float32Array.of(0));
    for (const index of distances.keys()) x = await phased.step(x, { index, t: 0, dt: 0 });
    const happened = [1, 2].map((to) => phased.switches.find((found) => found.to >= to)?.step ?? null);
    // The first distance, that from the start, counts for nothing.
    const alone = distances.slice(1);
    expect(predictSwitches(options, [alone, alone, alone])).toEqual(happened);
    expect(happened).toEqual([4, 6]);
  });

  it('looks at the distances of the phase that a sample is in', () => {
    expect(
      predictSwitches(options, [
        [4, 4, 1],
        [9, 9, 9],
        [9, 9, 9],
      ]),
    ).toEqual([3, 3]);
    expect(
      predictSwitches(options, [
        [4, 4, 3, 0],
        [9, 9, 9, 9],
        [9, 9, 9, 9],
      ]),
    ).toEqual([3, null]);
    expect(predictSwitches({ ...options, switchRatios: [] }, [[4, 4, 1]])).toEqual([]);
  });
});

it('costs and deviations are those of the phase of each step', () => {
  const costs = [
    [1, 1, 1, 1],
    [10, 10, 10, 10],
  ];
  expect(phasedCost(costs, [1])).toBe(22);
  expect(phasedCost(costs, [null])).toBe(4);
  expect(
    predictDeviation(
      [
        [0.5, 0.25, 0.25, 0.5],
        [0, 0, 0, 0],
      ],
      [1],
    ),
  ).toBe(0.75);
});

it('steps whose features are predicted cost what a prediction costs', () => {
  const costs = [new Array<number>(10).fill(10), new Array<number>(10).fill(100)];
  const predicted = {
    cache: { interval: 3, order: 1, firstSteps: 2 },
    costs: [new Array<number>(10).fill(1), new Array<number>(10).fill(2)],
    guided: new Array<boolean>(10).fill(false),
    lastStep: 9,
  };
  // Computed: 0 and 1 to begin with, then 4, 7, and the last.
  expect(phasedCost(costs, [null], predicted)).toBe(5 * 10 + 5 * 1);
  // The second model begins anew at step 6: computed are 0, 1, 4, then 6, 7 and the last.
  expect(phasedCost(costs, [5], predicted)).toBe(3 * 10 + 3 * 1 + 3 * 100 + 1 * 2);
  // And so does guidance, from step 5 on: 0, 1, 4, then 5, 6, 9.
  const guided = predicted.guided.map((_, step) => step >= 5);
  expect(phasedCost(costs, [null], { ...predicted, guided })).toBe(6 * 10 + 4 * 1);
});

it('ratioTuples falls', () => {
  expect(ratioTuples([3, 2, 1], 2)).toEqual([
    [3, 2],
    [3, 1],
    [2, 1],
  ]);
  expect(ratioTuples([3, 2], 0)).toEqual([[]]);
});

describe('a frontier', () => {
  const choice = (cost: number, deviation: number) => ({ cost, deviation });
  const choices = [choice(4, 0), choice(1, 9), choice(2, 9), choice(2, 2), choice(3, 1), choice(3, 5)];

  it('holds what nothing beats', () => {
    expect(paretoFrontier(choices)).toEqual([choice(1, 9), choice(2, 2), choice(3, 1), choice(4, 0)]);
  });

  it('is thinned evenly, its ends kept', () => {
    expect(spreadOverCosts(paretoFrontier(choices), 3)).toEqual([choice(1, 9), choice(2, 2), choice(4, 0)]);
    expect(spreadOverCosts(paretoFrontier(choices), 9)).toHaveLength(4);
  });

  it('bends somewhere', () => {
    expect(knee(paretoFrontier(choices))).toEqual(choice(2, 2));
    expect(knee([choice(1, 1)])).toEqual(choice(1, 1));
  });
});
