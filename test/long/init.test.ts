import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { sealJson, unsealJson } from '../../src/base/sealed.js';
import { cacheWithoutRates } from '../support/cache-without-rates.js';
import { photosFolder } from '../support/photos.js';
import { startPipeline } from '../support/tiny-pipeline.js';

let folder: string;

beforeAll(async () => {
  folder = await photosFolder();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const pipeline = (...args: string[]) => startPipeline(folder, args);

/** Seconds of a time as it is told, such as `1 min 13 s`: a busy machine takes minutes. */
const secondsIn = (told: string): number =>
  [...told.matchAll(/([\d.]+) (h|min|s)\b/g)].reduce(
    (sum, [, count, unit]) => sum + Number(count) * { h: 3600, min: 60, s: 1 }[unit as 'h' | 'min' | 's'],
    0,
  );

it('writes a file that fits the budget, runs as it is, and is not written over', async () => {
  const { stdout, stderr, exitCode } = await pipeline('init', 'my photos', '--yes', '--budget', '40s');
  expect([stderr, exitCode]).toEqual(['', 0]);
  expect(stdout).toContain('my photos: 24 images in 3 classes, 40 pixels wide or high.');
  const text = await readFile(join(folder, 'my-photos.yaml'), 'utf8');
  const [autoencoder, train] = [...text.matchAll(/^ {4}steps: (\d+)$/gm)].map(([, steps]) => Number(steps));
  const [autoencoderTime, trainTime, otherTime] =
    /steps of the autoencoder in about (.+), [\d,]+ steps of training in about (.+), all else in about (.+)\.\n/
      .exec(stdout)!
      .slice(1)
      .map(secondsIn);
  // What was promised is within the budget, or three tenths of it, or is the least.
  const left = Math.max(40 - otherTime!, 0.3 * 40);
  expect(autoencoder === 20 || autoencoderTime! <= left * 0.28).toBe(true);
  expect(train === 20 || trainTime! <= left * 0.8).toBe(true);
  const again = await pipeline('init', 'my photos', '--yes');
  expect([again.stderr.split('\n')[0], again.exitCode]).toEqual([
    'error: my-photos.yaml is there already.',
    2,
  ]);
  const smoke = /npx pipeline (run my-photos\.yaml [^:]*?)\nname:/s.exec(text)![1]!;
  const run = await pipeline(...smoke.replaceAll('\n#', ' ').trim().split(/\s+/));
  expect([run.stderr, run.exitCode]).toEqual(['', 0]);
  expect(run.stdout).toContain('Report: ');
}, 180_000);

it('says that other programs were at work while it measured', async () => {
  const cache = await cacheWithoutRates(folder);
  const again = ['init', 'my photos', '--yes', '--budget', '40s', '--force'];
  const init = () => startPipeline(folder, again, 'runs', cache);
  expect((await init()).exitCode).toBe(0);
  const rates = join(cache.PIPELINE_CACHE, 'rates');
  for (const name of await readdir(rates)) {
    const text = await readFile(join(rates, name), 'utf8');
    await writeFile(join(rates, name), sealJson({ ...unsealJson(text), othersShare: 0.6 }));
  }
  expect((await init()).stdout).toMatch(/^Other programs took up to 60\.0 % of .*`init --force`/m);
}, 180_000);
