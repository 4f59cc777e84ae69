import { describe, expect, it } from 'vitest';
import {
  advancePhase,
  distancesBetween,
  firstPhase,
  integrate,
  pathTimes,
  phasedSteps,
  type PhaseOptions,
  type PhaseStep,
  type SamplerSettings,
  timePower,
  uniformTimes,
} from '../../src/sampling/index.js';
import { runnablePlan, sampleDefaults } from '../../src/stages/sample/plan.js';
import { float32 } from '../../src/tensorflow/index.js';

const options: PhaseOptions = { distance: 'mae', firstSteps: 2, switchRatios: [0.9, 0.5] };
const phasesAlong = (distances: readonly number[], given = options) => {
  let state = firstPhase;
  return distances.map((distance) => (state = advancePhase(given, state, distance)).phase);
};

describe('advancePhase', () => {
  it('compares with the mean of the first distances', () => {
    // mean 3: phases end below 2.7 and 1.5
    expect(phasesAlong([2, 4, 2.8, 2.69, 1.6, 1.49, 9])).toEqual([0, 0, 0, 1, 1, 2, 2]);
  });

  it('leaves two phases at once', () => {
    expect(phasesAlong([2, 4, 2.8, 1.4, 0.1])).toEqual([0, 0, 0, 2, 2]);
  });

  it('does not switch while it averages, nor at the ratio itself', () => {
    expect(phasesAlong([4, 0, 1.8, 1.7])).toEqual([0, 0, 0, 1]);
  });

  it('takes any number of phases', () => {
    expect(phasesAlong([1, 1, 0.1], { ...options, switchRatios: [0.9, 0.8, 0.05, 0.9] })).toEqual([0, 0, 2]);
    expect(phasesAlong([1, 1, 0], { ...options, switchRatios: [] })).toEqual([0, 0, 0]);
  });
});

it('distancesBetween measures each sample', () => {
  const a = float32([2, 2], Float32Array.of(1, 2, 3, 4));
  const b = float32([2, 2], Float32Array.of(1, 4, 6, 4));
  expect(distancesBetween('mae', a, b)).toEqual([1, 1.5]);
  expect(distancesBetween('mse', a, b)).toEqual([2, 4.5]);
});

describe('a grid that is shifted towards the noise', () => {
  const settings = {
    choice: { kind: 'ode', method: 'euler' },
    diffusionNorm: 1,
    order: 2,
    tolerances: { absolute: 1e-6, relative: 1e-3 },
  } as const;
  const transport = { interpolant: 'linear', prediction: 'velocity' } as const;
  const grid = (timeShift: NonNullable<SamplerSettings['timeShift']>) =>
    pathTimes(transport, { ...settings, steps: 6, timeShift }, 16);

  it('has as many times as much noise over data', () => {
    const plain = grid(1);
    const shifted = grid(3);
    expect([shifted[0], shifted.at(-1)]).toEqual([0, 1]);
    for (const [i, t] of shifted.slice(1, -1).entries())
      expect((1 - t) / t).toBeCloseTo((3 * (1 - plain[i + 1]!)) / plain[i + 1]!, 12);
  });

  /** Phases of a sample that moves at speeds, one after the other, along the grid. */
  async function phasesAt(speeds: readonly number[], given: PhaseOptions): Promise<readonly number[]> {
    const move: PhaseStep = (x, { index, dt }) =>
      Promise.resolve(float32([1], Float32Array.of(Number(x.data[0]) + speeds[index]! * dt)));
    const phased = phasedSteps(1, given, [move, move]);
    await integrate({ init: float32([1], Float32Array.of(0)), times: grid(3), step: phased.step });
    return phased.switches.map(({ step }) => step);
  }

  it.each(['mae', 'mse'] as const)(
    'switches by how fast samples move, not by how long steps are: %s',
    async (distance) => {
      const given: PhaseOptions = { distance, timePower: 1, firstSteps: 1, switchRatios: [0.8] };
      expect(await phasesAt([5, 5, 5, 5, 5], given)).toEqual([]);
      expect(await phasesAt([5, 5, 5, 3, 5], given)).toEqual([3]);
      // By distances alone, steps that grow hide that it slows down.
      expect(await phasesAt([5, 5, 5, 3, 5], { ...given, timePower: 0 })).toEqual([]);
    },
  );

  it.each(['mae', 'mse'] as const)(
    'of a path with noise does not hide in the length of steps how much noise there is: %s',
    async (distance) => {
      // Noise of one strength adds its square root of time in each step.
      const noise: PhaseStep = (x, { dt }) =>
        Promise.resolve(float32([1], Float32Array.of(Number(x.data[0]) + Math.sqrt(dt))));
      const switches = async (timePower: number) => {
        const given: PhaseOptions = { distance, timePower, firstSteps: 1, switchRatios: [0.95] };
        const phased = phasedSteps(1, given, [noise, noise]);
        await integrate({ init: float32([1], Float32Array.of(0)), times: grid(3), step: phased.step });
        return phased.switches.length;
      };
      expect([await switches(0.5), await switches(1)]).toEqual([0, 1]);
    },
  );

  it('is shifted by as much as training is for as many tokens', () => {
    expect(grid({ baseTokens: 4 })).toEqual(grid(2));
    expect(grid({ baseTokens: 16 })).toEqual(grid(1));
  });

  it.each([
    ['{ timeShift: 3 }', { timeShift: 3 }, 0.5],
    ['{ kind: ode, timeShift: 3 }', { kind: 'ode', timeShift: 3 }, 1],
    ['{ kind: ode, timeShift: { baseTokens: 256 } }', { kind: 'ode', timeShift: { baseTokens: 256 } }, 1],
    ['{}', {}, 0],
  ])('is what a configuration asks for: %s', (_, sampler, power) => {
    const { settings } = runnablePlan(
      sampleDefaults({ model: 'train', autoencoder: 'a', count: 1, sampler }),
    );
    expect([settings.timeShift, timePower(settings)]).toEqual([
      'timeShift' in sampler ? sampler.timeShift : 1,
      power,
    ]);
  });
});

describe('phasedSteps', () => {
  /** Phase p moves each number towards 0 by a share that depends on its own decay, written in the second column. */
  const phase =
    (number: number, seen: number[][] = []): PhaseStep =>
    (x, _at, rows) => {
      seen.push([number, ...rows]);
      const next = Float32Array.from(x.data);
      for (let i = 0; i < next.length; i += 2) next[i]! *= next[i + 1]! - 0.01 * number;
      return Promise.resolve(float32(x.shape, next));
    };
  const rows = [
    [8, 0.5],
    [5, 0.99],
    [3, 0.8],
  ];
  const follow = async (samples: number[][], seen?: number[][]) => {
    const phased = phasedSteps(samples.length, options, [phase(0, seen), phase(1, seen), phase(2, seen)]);
    const end = await integrate({
      init: float32([samples.length, 2], Float32Array.from(samples.flat())),
      times: uniformTimes([0, 1], 9),
      step: phased.step,
      lastStep: { size: 0.04, step: phased.by([phase(0), phase(1), phase(2)]) },
    });
    return { end, phased };
  };

  it('gives a sample of a batch the path that it has alone', async () => {
    const together = await follow(rows);
    for (const [i, row] of rows.entries()) {
      const alone = await follow([row]);
      expect(Array.from(alone.end.data)).toEqual(Array.from(together.end.data.subarray(2 * i, 2 * i + 2)));
      expect(alone.phased.switches).toEqual(
        together.phased.switches.filter((s) => s.row === i).map((s) => ({ ...s, row: 0 })),
      );
    }
    expect(together.phased.states().map(({ phase }) => phase)).toEqual([2, 0, 2]);
  });

  it('records when samples switch, and runs each phase as one batch', async () => {
    const seen: number[][] = [];
    const { phased } = await follow(rows, seen);
    // The first sample halves each step: distances 2, 1 | 0.5 is a third of their mean 1.5: two phases at once.
    expect(phased.switches[0]).toEqual({ row: 0, step: 3, from: 0, to: 2 });
    expect(seen.slice(0, 4)).toEqual(new Array(4).fill([0, 0, 1, 2]));
    expect(seen[4]![0]).toBe(0);
    expect(seen.slice(4).every(([number, ...members]) => members.length <= 2 && number! <= 2)).toBe(true);
  });

  it('wants a ratio between every two phases', () => {
    expect(() => phasedSteps(1, options, [phase(0)])).toThrow('1 phases need 0 ratios, found 2');
  });
});
