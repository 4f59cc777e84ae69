import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readCalibration } from '../../../src/stages/calibrate/calibration.js';
import { run } from '../../../src/stages/calibrate/run.js';
import { SampleBench } from '../../support/sample-stage.js';

let bench: SampleBench;

beforeAll(async () => {
  bench = await SampleBench.open();
  await bench.addModel('small', 1, { mediators: [1] });
  await bench.addModel('large', 1, { mediators: [0] });
});

afterAll(() => bench.close());

it.each([
  ['steps of one length', { kind: 'ode', method: 'euler', steps: 8 }],
  ['steps that are shifted towards the noise', { kind: 'ode', method: 'euler', steps: 8, timeShift: 4 }],
  ['noise in such steps', { kind: 'sde', method: 'eulerMaruyama', steps: 8, timeShift: 4 }],
])('finds what ratios cost and how far they lead from the largest model, by %s', async (_, sampler) => {
  const phases = [{ model: 'small' }, { model: 'large' }];
  const config = {
    phases,
    firstSteps: 1,
    sampler,
    count: 6,
    replays: 3,
  };
  const { directory } = await bench.run(config, { run });
  const { choices, phases: alone, knee, samples, considered } = await readCalibration(directory);
  expect([samples, considered]).toEqual([6, 24]);
  expect(alone.map(({ stage }) => stage)).toEqual(['small', 'large']);
  expect(alone[1]!.deviation).toBe(0);
  expect(alone[0]!.cost).toBeLessThan(alone[1]!.cost);
  expect(knee).toBeGreaterThanOrEqual(0);
  for (const [i, { cost, deviation, saved, predicted, ratios }] of choices.entries()) {
    expect(ratios).toHaveLength(1);
    // A first switch is predicted exactly, and there is only one.
    expect(predicted.cost).toBeCloseTo(cost, 3);
    expect(saved).toBeCloseTo(1 - cost / alone[1]!.cost, 10);
    expect(cost).toBeGreaterThanOrEqual(alone[0]!.cost);
    if (i > 0) expect(deviation).toBeLessThan(choices[i - 1]!.deviation);
  }
  // What sampling with these ratios saves is what was found.
  const ratio = choices.at(-1)!.ratios[0]!;
  const sampled = await bench.run({
    ...config,
    phases: [{ model: 'small', switchRatio: ratio }, { model: 'large' }],
  });
  expect(sampled.summary.savedFraction).toBeCloseTo(choices.at(-1)!.saved, 10);
  expect(existsSync(join(directory, 'frontier.svg'))).toBe(true);
  const picture = await readFile(join(directory, 'frontier.svg'), 'utf8');
  expect(picture.match(/<circle/g)).toHaveLength(choices.length);
  expect(picture).not.toContain('NaN');
  // Each axis has labels that differ, in the unit of its title, of which the table is too.
  const labels = (anchor: string) =>
    [...picture.matchAll(new RegExp(`text-anchor="${anchor}">([\\d.,·⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)<`, 'g'))].map(
      ([, text]) => text,
    );
  for (const axis of [labels('middle'), labels('end')]) {
    expect(axis.length).toBeGreaterThan(2);
    expect(new Set(axis).size).toBe(axis.length);
  }
  expect(picture).toContain('GFLOPs a sample');
});
