import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NpzFile } from '../../../src/formats/npz.js';
import { SampleBench } from '../../support/sample-stage.js';
import { NoiseFiles } from '../../../src/stages/sample/files.js';
import { TrajectoryFiles } from '../../../src/stages/sample/trajectory.js';
import { temporaryFolder } from '../../support/temporary-folder.js';

/** What the model's latents are normalised by. */
const std = [0.5, 1, 2, 1];
const ode = { kind: 'ode', method: 'dopri5', steps: 2, absoluteTolerance: 1e-5, relativeTolerance: 1e-4 };

let bench: SampleBench;

beforeAll(async () => {
  bench = await SampleBench.open();
  await bench.addModel('model', 1);
  await bench.addModel('still', 2, {}, {}, 0);
});

afterAll(() => bench.close());

describe('likelihood', () => {
  it('is that of the normal distribution under a velocity of zero', async () => {
    const run = await bench.run({ model: 'still', sampler: ode, likelihood: true, count: 3, batch: 2 });
    const { samples, bitsPerDimension } = JSON.parse(
      await readFile(join(run.directory, 'likelihood.json'), 'utf8'),
    ) as { samples: number[]; bitsPerDimension: number };
    // 64 numbers, of which a mean of ½ log₂(2πe) bits each, and the logarithm of how much they are stretched.
    const expected =
      0.5 * Math.log2(2 * Math.PI * Math.E) + std.reduce((sum, s) => sum + Math.log2(s), 0) / 4;
    expect(samples).toHaveLength(3);
    // The mean square of 64 normal numbers is within 1 ± 0.6 but for once in ten thousand.
    for (const bits of samples) expect(Math.abs(bits - expected)).toBeLessThan(0.3 / Math.LN2);
    expect(run.summary.bitsPerDimension).toBeCloseTo(bitsPerDimension, 12);
    expect(bitsPerDimension).toBeCloseTo(samples.reduce((a, b) => a + b) / 3, 12);
  });

  it('does not depend on the batch', async () => {
    const bits = async (batch: number) =>
      (
        await bench.run({
          model: 'model',
          sampler: { kind: 'ode', steps: 8 },
          likelihood: true,
          count: 3,
          batch,
        })
      ).summary.bitsPerDimension as number;
    expect(await bits(3)).toBeCloseTo(await bits(2), 4);
  });
});

describe('reverse', () => {
  it('carries latents to noise and back to what they were', async () => {
    const data = await bench.addLatents('latents', 5);
    const run = await bench.run({ model: 'model', sampler: ode, reverse: 'latents', count: 5, batch: 2 });
    const npz = await NpzFile.open(join(run.directory, 'noise.npz'));
    const noise = await npz.read('arr_0');
    await npz.close();
    expect(noise.shape).toEqual([5, 4, 4, 4]);
    // Tolerances of a step add up over some ten steps each way, on latents of size 2.
    expect(run.summary.roundTripError).toBeLessThan(2e-3);
    expect(data).toHaveLength(5);
    expect(await run.pixels()).toHaveLength(5);
  });

  it('changes nothing under a velocity of zero but the normalisation', async () => {
    const data = await bench.addLatents('latents', 5);
    const run = await bench.run({ model: 'still', sampler: ode, reverse: 'latents', count: 4 });
    const npz = await NpzFile.open(join(run.directory, 'noise.npz'));
    const noise = await npz.read('arr_0');
    await npz.close();
    const mean = [0.1, 0, -0.1, 0.2];
    const expected = data
      .slice(0, 4)
      .flatMap((sample) => sample.map((v, i) => (v - mean[i % 4]!) / std[i % 4]!));
    expect(Array.from(noise.data as Float32Array)).toBeAllclose(expected);
  });

  it('wants as many latents as it is to carry', async () => {
    await bench.addLatents('latents', 5);
    await expect(bench.run({ model: 'model', sampler: ode, reverse: 'latents', count: 6 })).rejects.toThrow(
      '6 latents are to be carried to noise; there are 5.',
    );
  });
});

describe('noise and trajectories that were written before an interruption', () => {
  it.each([
    [
      'changed in a byte',
      (bytes: Buffer) => Buffer.from(bytes.map((byte, i) => (i === 5 ? byte ^ 1 : byte))),
    ],
    ['not on the disk yet when the machine crashed', (bytes: Buffer) => Buffer.alloc(bytes.length)],
    ['cut short', (bytes: Buffer) => bytes.subarray(0, 10)],
  ])('are of damaged samples, which are made again: %s', async (_, damaged) => {
    const directory = await temporaryFolder('noise');
    const noise = new NoiseFiles(directory, 2);
    await noise.prepare();
    for (const sample of [0, 1]) await noise.write(sample, Float32Array.of(1, 2, 3, sample));
    const path = join(directory, 'noise.partial', '000001.f32');
    const whole = await readFile(path);
    await writeFile(path, damaged(whole));
    await expect(noise.finish([2, 2, 1])).rejects.toMatchObject({ sample: 1 });
    await writeFile(path, whole);
    expect(await noise.finish([2, 2, 1])).toMatchObject({ mean: 1.625 });

    const strips = new TrajectoryFiles(directory, [3]);
    await strips.prepare();
    await strips.write(3, [{ width: 8, height: 8, data: new Uint8Array(192).fill(9) }]);
    const strip = join(directory, 'trajectories', '000003.png');
    const png = await readFile(strip);
    await writeFile(strip, damaged(png));
    await expect(strips.finish()).rejects.toMatchObject({ sample: 3 });
  });
});
