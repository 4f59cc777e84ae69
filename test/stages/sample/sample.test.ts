import { existsSync } from 'node:fs';
import { readdir, readFile, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sealLine } from '../../../src/base/sealed.js';
import type { ReportedStage } from '../../../src/pages/html.js';
import { switchingSection } from '../../../src/stages/sample/switching-section.js';
import { SampleBench } from '../../support/sample-stage.js';
import { toldOfDamage } from '../../support/told-of-damage.js';

let bench: SampleBench;

beforeAll(async () => {
  bench = await SampleBench.open();
  await bench.addModel('small', 1, { mediators: [1] });
  await bench.addModel('middle', 2);
  await bench.addModel('large', 3, { mediators: [0], rmsNorm: true, swiGlu: true, rope: 4 });
  await bench.addModel('undropped', 4, { labelDropout: 0 });
  await bench.addModel('noise', 5, {}, { prediction: 'noise', interpolant: 'vp' });
});

afterAll(() => bench.close());

/** Largest difference of two pictures in grey levels: what float rounding may change at another batch size. */
function difference(a: Uint8Array, b: Uint8Array): number {
  return a.reduce((largest, value, i) => Math.max(largest, Math.abs(value - b[i]!)), 0);
}

const phases = [
  { model: 'small', switchRatio: 0.97 },
  { model: 'middle', switchRatio: 0.9 },
  { model: 'large' },
];

const samplers = [
  { kind: 'sde', steps: 6 },
  { kind: 'sde', method: 'heun', diffusion: 'sbdm', lastStep: 'tweedie', steps: 5 },
  { kind: 'ode', method: 'euler', steps: 6 },
  { kind: 'ode', steps: 6 },
  { kind: 'ode', method: 'rk4', steps: 4 },
  { kind: 'ode', method: 'adamsBashforth', order: 3, steps: 7 },
  { kind: 'ode', method: 'dopri5', absoluteTolerance: 1e-3, relativeTolerance: 1e-2, steps: 3 },
];

describe('every sampler', () => {
  it.each(samplers)('draws a sample the same in any batch, through phases: %o', async (sampler) => {
    const guidance = { scale: 1.7, interval: [0.2, 0.7] };
    const config = { phases: [phases[0]!, phases[2]!], firstSteps: 1, sampler, count: 4, guidance };
    const together = await (await bench.run({ ...config, batch: 4 })).pixels();
    const alone = await (await bench.run({ ...config, batch: 1 })).pixels();
    for (const [i, image] of together.entries()) expect(difference(image, alone[i]!)).toBeLessThanOrEqual(1);
    expect(difference(together[0]!, together[3]!)).toBeGreaterThan(8);
  });
});

it.each([samplers[1]!, samplers[3]!, samplers[6]!])(
  'draws from a model of noise on the vp path: %o',
  async (sampler) => {
    const run = await bench.run({ model: 'noise', sampler, count: 1 });
    expect(await run.pixels()).toHaveLength(1);
  },
);

it('draws other pictures with other weights, seeds, guidance and classes', async () => {
  const sampler = { kind: 'ode', method: 'euler', steps: 4 };
  const first = async (config: object, seed = 5) =>
    (await (await bench.run({ model: 'small', sampler, count: 1, ...config }, { seed })).pixels())[0]!;
  const usual = await first({});
  for (const config of [
    { weights: 'raw' },
    { guidanceScale: 3 },
    { guidance: { scale: 3, model: 'middle' } },
    { classes: ['class 2'] },
    { classes: [1] },
  ])
    expect(difference(await first(config), usual), JSON.stringify(config)).toBeGreaterThan(1);
  expect(difference(await first({}, 6), usual)).toBeGreaterThan(8);
  // Guidance outside of the path's times does nothing, and a scale of 1 neither.
  expect(await first({ guidance: { scale: 3, interval: [0.9, 0.95] } })).toEqual(usual);
  expect(await first({ guidanceScale: 1 })).toEqual(usual);
});

it('predicts features in between, in phases and with guidance, the same in any batch', async () => {
  const sampler = (featureCache?: object) => ({
    kind: 'ode',
    ...{ method: 'euler', steps: 16, ...(featureCache && { featureCache }) },
  });
  const config = {
    phases: [{ model: 'small', switchRatio: 0.98 }, { model: 'large' }],
    ...{ firstSteps: 1, count: 3, guidance: { scale: 1.5, interval: [0.3, 1] } },
  };
  const pictures = async (batch: number, cache?: object) =>
    (await bench.run({ ...config, batch, sampler: sampler(cache) })).pixels();
  const exact = await pictures(3);
  const cached = await pictures(3, { interval: 2, order: 1, firstSteps: 2 });
  const alone = await pictures(1, { interval: 2, order: 1, firstSteps: 2 });
  const reused = await pictures(3, { interval: 4, order: 0, firstSteps: 1 });
  const away = (images: Uint8Array[]) =>
    images.reduce((sum, image, i) => sum + image.reduce((s, v, j) => s + Math.abs(v - exact[i]![j]!), 0), 0);
  for (const [i, image] of cached.entries()) expect(difference(image, alone[i]!)).toBeLessThanOrEqual(1);
  expect(away(cached)).toBeGreaterThan(0);
  expect(away(cached)).toBeLessThan(away(reused));
});

describe('phases', () => {
  const config = { phases, firstSteps: 2, sampler: { steps: 12 }, count: 6, batch: 6 };

  it('records when every sample switched and what that saved', async () => {
    const run = await bench.run(config);
    const file = JSON.parse(await readFile(join(run.directory, 'switches.json'), 'utf8')) as {
      samples: (number | null)[][];
      phases: { stage: string; mediators: number[]; multiplyAccumulates: number }[];
      savedFraction: number;
      steps: number;
    };
    expect(file).toMatchObject({ firstSteps: 2, distance: 'mae', switchRatios: [0.97, 0.9], steps: 12 });
    expect(file.phases.map(({ stage, mediators }) => [stage, mediators])).toEqual([
      ['small', [1]],
      ['middle', [4]],
      ['large', [0]],
    ]);
    expect(file.samples).toHaveLength(6);
    for (const [second, third] of file.samples) {
      // Two distances are averaged after the first step, so that none switches before step 3.
      expect(second ?? 3).toBeGreaterThanOrEqual(3);
      if (third !== null) expect(second!).toBeLessThanOrEqual(third!);
    }
    const costs = file.phases.map((phase) => phase.multiplyAccumulates);
    const most = Math.max(...costs);
    let spent = 0;
    for (const [second, third] of file.samples)
      for (let step = 0; step < 12; step++)
        spent += costs[third !== null && step > third! ? 2 : second !== null && step > second! ? 1 : 0]!;
    expect(file.savedFraction).toBeCloseTo(1 - spent / (6 * 12 * most), 10);
    expect(run.summary.savedFraction).toBe(file.savedFraction);
    expect(existsSync(join(run.directory, 'records-0.partial.jsonl'))).toBe(false);

    // What a report shows of it: a row for each step with a switch, and how long samples stay in each phase.
    const reported = {
      ...{ stage: 'sample', directory: run.directory },
      metrics: [],
    } as unknown as ReportedStage;
    const { body } = (await switchingSection(reported))!;
    const rows = Array.from(String(body).matchAll(/<tr>.*?<\/tr>/gs), ([row]) =>
      row
        .replaceAll(/<[^>]*>/g, ' ')
        .trim()
        .split(/\s+/),
    );
    const at = (step: number, k: number) => file.samples.filter((switches) => switches[k] === step).length;
    const counts = Array.from({ length: 12 }, (_, i) => [i + 1, at(i + 1, 0), at(i + 1, 1)]);
    const filled = counts.filter(([, second, third]) => second! + third! > 0);
    expect(filled.length).toBeGreaterThan(0);
    expect(rows.slice(1, -4)).toEqual(filled.map((row) => row.map(String)));
    const mean = (of: (second: number, third: number) => number) =>
      file.samples.reduce((sum, [second, third]) => sum + of(second ?? 12, third ?? 12), 0) / 6;
    const stays = [
      mean((second) => second),
      mean((second, third) => third - second),
      mean((_, third) => 12 - third),
    ];
    expect(rows.slice(-3).map((row) => [...row.slice(0, 3), Number(row.at(-1))])).toEqual([
      ['1', 'small', '1', expect.closeTo(stays[0]!, 3)],
      ['2', 'middle', '4', expect.closeTo(stays[1]!, 3)],
      ['3', 'large', 'none', expect.closeTo(stays[2]!, 3)],
    ]);
  });

  it('switches every sample on its own, in a batch of 64 as in a batch of 1', async () => {
    const drawn = async (count: number, batch: number) => {
      const run = await bench.run({ ...config, count, batch });
      const file = JSON.parse(await readFile(join(run.directory, 'switches.json'), 'utf8')) as {
        samples: (number | null)[][];
      };
      return { pixels: await run.pixels(), switches: file.samples };
    };
    const together = await drawn(64, 64);
    const alone = await drawn(8, 1);
    expect(together.switches.slice(0, 8)).toEqual(alone.switches);
    // They do differ: one mean for the whole batch would switch all at once.
    expect(new Set(together.switches.map(String)).size).toBeGreaterThan(3);
    // Rounding may move a pixel by one level, as in any batch of another size.
    for (const [i, image] of alone.pixels.entries())
      expect(difference(together.pixels[i]!, image)).toBeLessThanOrEqual(1);
  });

  it('counts predicted steps as saved', async () => {
    const cached = { steps: 12, featureCache: { interval: 3, order: 0, firstSteps: 1 } };
    const [plain, predicted] = [await bench.run(config), await bench.run({ ...config, sampler: cached })];
    expect(predicted.summary.savedFraction).toBeGreaterThan(plain.summary.savedFraction as number);
    const one = await bench.run({ model: 'small', count: 2, sampler: cached });
    // Computed: 0, 3, 6, 9 and the last step; of 12, 7 cost only what is outside of the one block.
    expect(one.summary.savedFraction).toBeGreaterThan(0.3);
    expect(one.summary.savedFraction).toBeLessThan(7 / 12);
  });

  it('is one model alone where none is left, or where the first is left at once', async () => {
    const sampler = { steps: 8 };
    const pictures = async (models: object) =>
      (await (await bench.run({ sampler, count: 3, ...models })).pixels()).map((image) => [...image]);
    const never = [{ model: 'small', switchRatio: 1e-6 }, { model: 'large' }];
    expect(await pictures({ phases: never })).toEqual(await pictures({ model: 'small' }));
  });

  it('refuses models that cannot draw one sample', async () => {
    const run = (model: string, more = {}) =>
      bench.run({ phases: [{ model: 'small', switchRatio: 0.9 }, { model }], ...more });
    await expect(run('noise')).rejects.toThrow(
      /need a prediction in common; small has velocity, noise has noise/,
    );
    await expect(run('undropped', { guidanceScale: 2 })).rejects.toThrow(
      /undropped is trained without label dropout/,
    );
    await expect(bench.run({ model: 'small', classes: [3] })).rejects.toThrow(
      /has no class 3; its classes are 0 to 2/,
    );
    await expect(
      bench.run({ model: 'noise', sampler: { kind: 'ode', steps: 4, sampleEpsilon: 0 } }),
    ).rejects.toThrow(/`noise` cannot be sampled this way: the velocity .* divides by sigma/);
  });
});

describe('going on', () => {
  const config = { phases, firstSteps: 1, sampler: { steps: 6 }, count: 9, batch: 4 };

  it('makes only what is missing, and damaged pictures again', async () => {
    const whole = await bench.run(config);
    const expected = await whole.pixels();
    const files = (sample: number) => join(whole.directory, 'samples', `00000${sample}.png`);
    const past = new Date(0);
    for (let sample = 0; sample < 9; sample++) await utimes(files(sample), past, past);
    // The records of an interrupted run: that of a sample is gone, another's is damaged, a third is cut off.
    const { samples } = JSON.parse(await readFile(join(whole.directory, 'switches.json'), 'utf8')) as {
      samples: unknown[];
    };
    const lines = samples.flatMap((switches, sample) =>
      sample === 5 ? [] : [sealLine({ sample, steps: 6, switches })],
    );
    lines[5] = lines[5]!.replace('"steps":6', '"steps":5');
    await writeFile(join(whole.directory, 'records-0.partial.jsonl'), `${lines.join('\n')}\n{"sample":5,"st`);
    await truncate(files(2), 60);
    const damaged = await readFile(files(7));
    damaged.fill(0, 50, damaged.length - 12);
    await writeFile(files(7), damaged);
    await utimes(files(7), past, past);

    const { result: again, told } = await toldOfDamage(() => bench.run(config, { output: whole.directory }));
    expect(told).toEqual([expect.stringMatching(/records-0.*is damaged \(is not what was written\)/)]);
    expect((await again.pixels()).map((image, i) => difference(image, expected[i]!))).toEqual(
      expected.map(() => expect.toSatisfy((largest: number) => largest <= 1) as number),
    );
    const made = [];
    for (let sample = 0; sample < 9; sample++) if ((await stat(files(sample))).mtimeMs > 0) made.push(sample);
    expect(made).toEqual([2, 5, 6, 7]);
    expect(again.events.filter(({ type }) => type === 'notice')).toEqual([
      { type: 'notice', level: 'warning', message: 'The picture of sample 7 is damaged. It is made again.' },
    ]);
    expect(again.summary.savedFraction).toBe(whole.summary.savedFraction);
  });

  it('is divided between workers, of which the first finishes', async () => {
    const output = join(bench.folder, 'workers');
    const part = (rank: number, othersDone: () => Promise<void>) =>
      bench.run(config, { output, workers: { rank, size: 2, addresses: [], othersDone } });
    let resolve!: () => void;
    const waiting = new Promise<void>((done) => (resolve = done));
    const first = part(0, () => waiting);
    const second = await part(1, () => Promise.reject(new Error('Only the first worker waits.')));
    expect(second.summary).toEqual({ computedOn: 'processor' });
    // Nine samples in batches of four: the second worker makes the second batch.
    expect(existsSync(join(output, 'samples', '000005.png'))).toBe(true);
    expect(existsSync(join(output, 'samples.npz'))).toBe(false);
    resolve();
    const together = await (await first).pixels();
    const alone = await (await bench.run(config)).pixels();
    expect(together.map((image) => [...image])).toEqual(alone.map((image) => [...image]));
  });

  it('goes on after an interruption to the same pictures', async () => {
    const controller = new AbortController();
    const output = join(bench.folder, 'interrupted');
    const run = bench.run(config, {
      output,
      signal: controller.signal,
      onEvent: (event) => {
        if (event.type === 'progress' && event.done >= 5) controller.abort();
      },
    });
    await expect(run).rejects.toThrow(/abort|interrupt/i);
    expect((await readdir(join(output, 'samples'))).length).toBeLessThan(9);
    const went = await (await bench.run(config, { output })).pixels();
    const whole = await (await bench.run(config)).pixels();
    for (const [i, image] of whole.entries()) expect(difference(went[i]!, image)).toBeLessThanOrEqual(1);
  });
});

it('shows states on the way', async () => {
  const trajectory = { samples: [4, 1], steps: [1, 3, 6] };
  const run = await bench.run({ model: 'small', sampler: { steps: 6 }, trajectory });
  const { width, height, data } = await sharp(join(run.directory, 'trajectory.png'))
    .raw()
    .toBuffer({ resolveWithObject: true })
    .then(({ data, info }) => ({ ...info, data }));
  // Three pictures of 8 pixels a row, two rows, 2 pixels between them and around.
  expect([width, height]).toEqual([3 * 8 + 4, 2 * 8 + 6]);
  const pixels = await run.pixels();
  for (const [row, sample] of [4, 1].entries())
    for (let y = 0; y < 8; y++)
      for (let x = 0; x < 24; x++) {
        const at = ((2 + row * 10 + y) * width + 2 + 16 + (x % 8)) * 3;
        expect(data[at]).toBe(pixels[sample]![(y * 8 + (x % 8)) * 3]);
      }
});
