import { describe, expect, it } from 'vitest';
import { learningRateAt, type ScheduleKind } from '../../src/training/schedule.js';

const rates = (kind: ScheduleKind, warmupSteps: number, totalSteps: number, steps = totalSteps + 1) =>
  Array.from({ length: steps }, (_, step) =>
    learningRateAt(step, { kind, learningRate: 8, warmupSteps, totalSteps }),
  );

/** Cosines of multiples of 45°, in closed form. */
const half = Math.SQRT1_2;

describe('learning rate', () => {
  it.each<[string, ScheduleKind, number, number, readonly number[]]>([
    ['constant without warm-up', 'constant', 0, 3, [8, 8, 8, 8]],
    [
      'constant after a warm-up in equal parts, of which the first step has one',
      'constant',
      4,
      6,
      [2, 4, 6, 8, 8, 8, 8],
    ],
    ['linear: down in equal parts to zero', 'linear', 0, 4, [8, 6, 4, 2, 0]],
    ['linear after a warm-up', 'linear', 2, 6, [4, 8, 8, 6, 4, 2, 0]],
    ['cosine: 8 (1 + cos πs/4) / 2', 'cosine', 0, 4, [8, 4 * (1 + half), 4, 4 * (1 - half), 0]],
    [
      'cosine after a warm-up: of the steps that are left',
      'cosine',
      2,
      6,
      [4, 8, 8, 4 * (1 + half), 4, 4 * (1 - half), 0],
    ],
    ['thirds of a cosine', 'cosine', 0, 3, [8, 6, 2, 0]],
    ['a warm-up as long as the training', 'cosine', 3, 3, [8 / 3, 16 / 3, 8, 8]],
  ])('%s', (_, kind, warmupSteps, totalSteps, expected) => {
    const found = rates(kind, warmupSteps, totalSteps);
    expect(found).toHaveLength(expected.length);
    // A few roundings of float64 at 8.
    for (const [step, rate] of found.entries()) expect(rate).toBeCloseTo(expected[step]!, 14);
  });

  it.each<ScheduleKind>(['linear', 'cosine'])('%s stays at zero after the last step', (kind) => {
    expect(rates(kind, 1, 4, 8).slice(4)).toEqual([0, 0, 0, 0]);
  });

  it('falls by a cosine slowly at both ends, and by a line evenly', () => {
    const falls = (kind: ScheduleKind) => {
      const all = rates(kind, 0, 100);
      return all.slice(1).map((rate, i) => all[i]! - rate);
    };
    for (const fall of falls('linear')) expect(fall).toBeCloseTo(8 / 100, 12);
    // The derivative of 4 (1 + cos πs/100) is 4 π/100 sin(πs/100): at the middle of a step, to third order.
    for (const [step, fall] of falls('cosine').entries())
      expect(fall).toBeCloseTo(((4 * Math.PI) / 100) * Math.sin((Math.PI * (step + 0.5)) / 100), 4);
  });
});
