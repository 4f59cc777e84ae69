import { expect, it } from 'vitest';
import {
  plannedProfiles,
  powerOf,
  powerShares,
  rebuiltTo,
  snapshotSteps,
  widthIn,
  widthsWithin,
} from '../../src/training/averages.js';
import { methodFixture } from '../support/method-fixture.js';

interface PostHoc {
  readonly walk: readonly number[];
  readonly snapshots: readonly { readonly step: number; readonly std: number; readonly value: number }[];
  readonly rebuilt: readonly {
    readonly std: number;
    readonly exponent: number;
    readonly coefficients: readonly number[];
    readonly value: number;
    readonly profile: number;
  }[];
}
const { postHoc } = methodFixture() as {
  readonly postHoc: PostHoc;
};
const { walk, snapshots, rebuilt } = postHoc;
const profiles = snapshots.map(({ step, std }) => ({ updates: step, relativeWidth: std }));
const power = (relativeWidths: number[], snapshotEverySteps: number) =>
  ({ kind: 'power', relativeWidths, snapshotEverySteps }) as const;

/** What training/phema.py of NVlabs/edm2 gives: std_to_exp, and solve_posthoc_coefficients of snapshots after 1 to 4. */
const edm2 = {
  exponents: [16.972198602303447, 6.937203937601809],
  weights: [
    1.870172736058546e-8, -4.593987075159673e-7, 8.35073934947445e-5, -0.0005680480605871118,
    0.010685739328585176, -0.04392123564681018, 0.4345671401857431, 0.5991533374965544,
  ],
} as const;

it.each(rebuilt)('has the exponent of the width $std as NumPy finds it', ({ std, exponent }) => {
  expect(powerOf(std)).toBeCloseTo(exponent, 9);
});

it('weighs every step as much at the greatest width, and the first step alone at first', () => {
  const widest = { relativeWidth: Math.sqrt(1 / 12) };
  expect(powerOf(widest.relativeWidth)).toBeCloseTo(0, 12);
  expect(powerShares([0.9, widest], 3)).toEqual([expect.closeTo(1 / 4, 12)]);
  expect(powerShares([{ relativeWidth: 0.1 }], 0)).toEqual([1]);
});

it('keeps the digits of the shares of late steps', () => {
  // (γ + 1)/t, less a share of γ/2t of it.
  const [share] = powerShares([{ relativeWidth: 0.1 }], 1e9 - 1);
  expect(share! / ((powerOf(0.1) + 1) / 1e9)).toBeCloseTo(1, 8);
});

it('follows weights as NumPy does', () => {
  const averages = [0.05, 0.1].map((relativeWidth) => ({ relativeWidth, value: walk[0]! }));
  const found = [];
  for (const [step, weight] of walk.entries()) {
    if (step === 0) continue;
    const shares = powerShares(averages, step - 1);
    for (const [i, average] of averages.entries()) average.value += (weight - average.value) * shares[i]!;
    if (step % 8 === 0)
      found.push(...averages.map(({ relativeWidth, value }) => ({ step, std: relativeWidth, value })));
  }
  expect(found.map(({ step, std }) => [step, std])).toEqual(snapshots.map(({ step, std }) => [step, std]));
  expect(found.map(({ value }) => value)).toBeAllclose(
    snapshots.map(({ value }) => value),
    { absolute: 1e-10 },
  );
});

it.each(rebuilt)('rebuilds the average of the width $std from snapshots', (given) => {
  const { weights, error } = rebuiltTo(profiles, given.std)!;
  expect(weights).toBeAllclose([...given.coefficients], { absolute: 1e-7 });
  expect(weights.reduce((sum, each) => sum + each)).toBeCloseTo(1, 12);
  const found = weights.reduce((sum, each, i) => sum + each * snapshots[i]!.value, 0);
  expect(found).toBeCloseTo(given.value, 7);
  // As near to the average over all steps as eight snapshots bring it.
  expect(Math.abs(found - given.profile)).toBeLessThan(0.1);
  expect(error).toBeLessThan(given.std === 0.05 || given.std === 0.1 ? 1e-6 : 0.1);
});

it('has the exponents and weights of EDM2’s own code', () => {
  expect(powerOf(0.05)).toBeCloseTo(edm2.exponents[0], 9);
  expect(powerOf(0.1)).toBeCloseTo(edm2.exponents[1], 9);
  const four = plannedProfiles(power([0.05, 0.1], 1), 4);
  expect(rebuiltTo(four, 0.07)!.weights).toBeAllclose([...edm2.weights], { absolute: 1e-9 });
});

it('tells by its error how far the average over all steps is from the wanted one', () => {
  const steps = 4000;
  const of = plannedProfiles(power([0.05, 0.1], 500), steps);
  for (const width of [0.02, 0.03, 0.07, 0.15, 0.25]) {
    const { weights, error, serves } = rebuiltTo(of, width)!;
    const density = (t: number, updates: number, exponent: number) =>
      t > updates ? 0 : ((exponent + 1) * (t / updates) ** exponent) / updates;
    let [apart, own] = [0, 0];
    for (let t = 0.5; t < steps; t++) {
      const wanted = density(t, steps, powerOf(width));
      const given = weights.reduce(
        (sum, weight, i) => sum + weight * density(t, of[i]!.updates, powerOf(of[i]!.relativeWidth)),
        0,
      );
      apart += (given - wanted) ** 2;
      own += wanted ** 2;
    }
    // The sum over steps stands for an integral of profiles that jump at snapshots.
    expect(error / Math.sqrt(apart / own)).toBeCloseTo(1, 1);
    expect(serves).toBe(error <= 0.1);
  }
});

it('says which widths snapshots serve for', () => {
  const [least, most] = widthsWithin(plannedProfiles(power([0.05, 0.1], 100), 2000))!;
  expect(least).toBe(0.02);
  expect(most).toBeGreaterThan(0.25);
  for (const width of [least, most])
    expect(rebuiltTo(plannedProfiles(power([0.05, 0.1], 100), 2000), width)!.serves).toBe(true);
  for (const width of [0, -0.1, 0.3, Number.NaN]) expect(rebuiltTo(profiles, width)).toBeUndefined();
});

it('takes snapshots at regular steps and at the end', () => {
  expect(snapshotSteps(power([0.05], 4), 8)).toEqual([4, 8]);
  expect(snapshotSteps(power([0.05], 4), 10)).toEqual([4, 8, 10]);
  expect(snapshotSteps(power([0.05], 4), 3)).toEqual([3]);
  expect([widthIn('power-0.08'), widthIn('ema-0.9'), widthIn('ema')]).toEqual([0.08, undefined, undefined]);
});
