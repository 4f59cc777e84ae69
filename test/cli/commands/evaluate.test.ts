import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { encodePng } from '../../../src/data/images/png.js';
import { writeNpz } from '../../../src/formats/npz.js';
import { temporaryFolder } from '../../support/temporary-folder.js';
import { tinyInception } from '../../support/tiny-inception.js';
import { runCommand } from '../../support/run-command.js';

const side = 16;
let folder: string;

/** Pixels that look random but are fixed. */
const pixels = (count: number, seed: number) =>
  Uint8Array.from(
    { length: count * side * side * 3 },
    (_, i) => Math.imul(i + seed * 1000003, 2654435761) >>> 24,
  );

beforeEach(async () => {
  folder = await temporaryFolder('evaluate');
  vi.spyOn(process, 'cwd').mockReturnValue(folder);
  await writeFile(join(folder, 'graph.pb'), tinyInception());
  const labels = Int32Array.from({ length: 8 }, (_, i) => i % 2);
  await writeNpz(join(folder, 'samples.npz'), [
    { name: 'arr_0', dtype: 'u1', shape: [8, side, side, 3], data: pixels(8, 1) },
    { name: 'arr_1', dtype: 'i4', shape: [8], data: labels },
  ]);
  for (const [i, name] of ['cats', 'dogs'].entries()) {
    await mkdir(join(folder, 'photos', name), { recursive: true });
    for (let k = 0; k < 5; k++) {
      const data = pixels(1, 10 + 5 * i + k);
      const png = await encodePng({ width: side, height: side, data });
      await writeFile(join(folder, 'photos', name, `${k}.png`), png);
    }
  }
});
afterEach(() => {
  vi.restoreAllMocks();
});

const pipeline = (...args: string[]) => runCommand(args, process.env);

const inception = ['--inception', 'graph.pb'];

it('prints the figures of samples against a folder, and progress beside them', async () => {
  const made = await pipeline('evaluate', 'samples.npz', '--reference', 'photos');
  expect(made.exitCode, made.stderr).toBe(0);
  expect(made.stdout).toMatch(
    /^FIGURE +VALUE\nFréchet distance +[\d.]+\nstandard error of the Fréchet distance +[\d.]+\nkernel distance +/,
  );
  // Numbers in the file, names of folders: nothing tells which class is which.
  expect(made.stdout).not.toContain('class agreement');
  expect(made.stdout).toMatch(/^samples +8\nimages of the reference +10\n/m);
  expect(made.stderr).toContain('reference: finished');
}, 300_000);

it('prints JSON alone, by the network that is asked for', async () => {
  const made = await pipeline('evaluate', 'photos', '--reference', 'photos', '--json', ...inception);
  expect(made.exitCode, made.stderr).toBe(0);
  const { figures, features } = JSON.parse(made.stdout) as {
    features: string;
    figures: Record<string, number>;
  };
  expect(features).toBe('inception');
  expect(figures).toMatchObject({ precision: 1, recall: 1, samples: 10, referenceImages: 10 });
  expect(figures.fid).toBeAllclose(0, { absolute: 1e-8 });
  expect(figures.classAgreement).toBeGreaterThan(0);
  const chosen = await pipeline(
    ...['evaluate', 'samples.npz', '--reference', 'samples.npz', '--json', ...inception],
    ...['--metrics', 'kernelDistance', 'classAgreement'],
  );
  expect(Object.keys((JSON.parse(chosen.stdout) as { figures: object }).figures)).toEqual([
    'kernelDistance',
    'kernelDistanceError',
    'classAgreement',
    'samples',
    'referenceImages',
  ]);
});

it('warns of images of two sizes, and says what is wrong with classes', async () => {
  const images = (count: number, side: number) =>
    ({
      name: 'arr_0',
      dtype: 'u1',
      shape: [count, side, side, 3],
      data: new Uint8Array(count * side ** 2 * 3),
    }) as const;
  await writeNpz(join(folder, 'large.npz'), [images(4, 2 * side)]);
  const against = ['--reference', 'samples.npz', ...inception, '--metrics'];
  const made = await pipeline('evaluate', 'large.npz', ...against, 'kernelDistance');
  expect(made.exitCode, made.stderr).toBe(0);
  expect(made.stderr.replace(/\s+/g, ' ')).toMatch(
    /large\.npz has images of 32 × 32 pixels, and .+samples\.npz of 16 × 16/,
  );
  const wrong = async (labels: Float32Array, message: string) => {
    await writeNpz(join(folder, 'labels.npz'), [
      images(4, side),
      { name: 'arr_1', dtype: 'f4', shape: [labels.length], data: labels },
    ]);
    const { exitCode, stdout, stderr } = await pipeline(
      'evaluate',
      'labels.npz',
      ...against,
      'classAgreement',
    );
    expect((stdout + stderr).replace(/\s+/g, ' ')).toContain(message);
    expect(exitCode).toBe(1);
  };
  await wrong(Float32Array.of(0, 1), '`arr_1` holds [2] numbers for 4 images');
  await wrong(Float32Array.of(0, 1, 0.5, 1), '`arr_1` holds 0.5, which is no number of a class');
  await wrong(Float32Array.of(0, 1, -1, 1), '`arr_1` holds -1');
}, 120_000);

it.each([
  [['none.npz', '--reference', 'photos'], 2, /none\.npz/],
  [['nowhere', '--reference', 'photos'], 2, /nowhere: there is no such folder or file of images/],
  [['photos', '--reference', 'graph.pb'], 2, /graph\.pb/],
  [['samples.npz'], 2, /required option '--reference/],
  [['samples.npz', '--reference', 'photos', '--features', 'inception'], 2, /--inception/],
  [['samples.npz', '--reference', 'samples.npz', '--size', '32'], 2, /--size would change nothing/],
  [['samples.npz', '--reference', 'photos', '--metrics', 'fid'], 2, /fid needs .*\n.*--inception/],
  [
    ['samples.npz', '--reference', 'photos', '--metrics', 'classAgreement'],
    2,
    /samples\.npz has numbers of classes, photos has a folder a class/,
  ],
  [
    ['samples.npz', '--reference', 'photos', '--metrics', 'fid', '--features', 'efficientnet'],
    2,
    /--features would change nothing/,
  ],
  [
    ['samples.npz', '--reference', 'photos', '--metrics', 'fid', '--inception', 'none.pb'],
    2,
    /none\.pb: there is no/,
  ],
])('%s: exit code %i', async (args, exitCode, message) => {
  const made = await pipeline('evaluate', ...args);
  expect(made).toMatchObject({ exitCode, stdout: '' });
  expect(made.stderr).toMatch(message);
  // No pipeline is written for what cannot be compared.
  expect(existsSync(join(folder, 'runs'))).toBe(false);
});
