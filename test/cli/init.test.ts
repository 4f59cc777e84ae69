import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  lengthsWithin,
  starterName,
  starterSizes,
  starterYaml,
  suggestedSize,
} from '../../src/cli/starter.js';
import { writePng } from '../../src/data/images/png.js';
import { loadPipeline } from '../../src/stages/load.js';
import { photosFolder } from '../support/photos.js';
import { nodeProgram } from '../support/programs.js';

let folder: string;

beforeAll(async () => {
  folder = await photosFolder();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const made = async (name: string): Promise<string> => {
  await mkdir(join(folder, name), { recursive: true });
  return join(folder, name);
};

const pipeline = (...args: string[]) =>
  execa(process.execPath, [...nodeProgram('src/cli/main.ts'), ...args], {
    ...{ cwd: folder, reject: false, env: { NO_COLOR: '1', PIPELINE_RUNS: join(folder, 'runs') } },
  });

describe('pipeline init', () => {
  it('takes small images without class folders, enlarges them, and looks at few not too often', async () => {
    for (let i = 0; i < 12; i++)
      await writePng(join(await made('flat'), `${i}.png`), {
        ...{ width: 24, height: 28 },
        data: Uint8Array.from({ length: 24 * 28 * 3 }, (_, j) => (j + 17 * i) % 256),
      });
    const { stdout, stderr, exitCode } = await pipeline(
      ...['init', 'flat', '--yes', '--budget', '2h', '--output', 'made here/flat.yaml'],
    );
    expect([stderr, exitCode]).toEqual(['', 0]);
    expect(stdout).toContain('flat: 12 images without classes, 24 pixels wide or high.');
    expect(stdout).toContain('12 of 12 images looked at are smaller than 32 pixels');
    // Two hours are more than twelve images are worth.
    expect(stdout).toContain('More than 2,000 passes over 12 images would only learn them by heart');
    const text = await readFile(join(folder, 'made here', 'flat.yaml'), 'utf8');
    // Its commands work where it was written from.
    expect(stdout).toContain("\nNext: npx pipeline run 'made here/flat.yaml'");
    expect(text).toContain("#   npx pipeline plan 'made here/flat.yaml' ");
    expect(text).not.toMatch(/npx pipeline \w+ flat\.yaml/);
    expect(text).toContain('labels: none');
    expect(text).toContain('guidanceScale: 1');
    expect(text).not.toContain('classAgreement');
  }, 180_000);

  it('asks for the folder of the classes where it is given the one above', async () => {
    for (const name of ['cat', 'dog']) {
      await mkdir(join(folder, 'above', 'train', name), { recursive: true });
      await writeFile(join(folder, 'above', 'train', name, 'x.png'), 'x');
    }
    const { exitCode, stderr } = await pipeline('init', 'above', '--yes');
    expect(stderr).toContain('found only "train", in which 2 folders hold images');
    expect(stderr).toContain('name the folder above them: npx pipeline init FOLDER.');
    expect(stderr).not.toContain('`path`');
    expect(exitCode).toBe(2);
  });

  it('takes images beside folders that hold none, tells of those beside class folders, and wants two', async () => {
    const image = { width: 24, height: 28, data: new Uint8Array(24 * 28 * 3) };
    for (const place of ['beside', 'single']) await made(join(place, 'videos'));
    for (let i = 0; i < 3; i++) await writePng(join(folder, 'beside', `${i}.png`), image);
    await writeFile(join(folder, 'beside', 'broken.png'), 'x');
    await writePng(join(folder, 'single', 'a.png'), image);
    const single = await pipeline('init', 'single', '--yes');
    expect(single.stderr).toContain('1 image of 1 can be read');
    expect([single.stdout, single.exitCode]).toEqual(['', 2]);
    // Refused before anything is tried.
    await writeFile(join(folder, 'beside.yaml'), '');
    const flat = await pipeline('init', 'beside', '--yes');
    expect(flat.stdout).toContain('beside: 4 images without classes');
    expect(flat.stdout).toMatch(/1 image of 4 looked at cannot be read:\n .*broken\.png\nReplace or remove/);
    await rm(join(folder, 'beside', 'videos'), { recursive: true });
    await writePng(join(await made(join('beside', 'cats')), 'a.png'), image);
    await writePng(join(await made(join('beside', 'dogs')), 'a.png'), image);
    const { stdout, stderr } = await pipeline('init', 'beside', '--yes');
    expect(stdout).toContain('beside: 2 images in 2 classes');
    expect(stdout).toContain('4 images beside these folders have no class and are left out');
    expect(stderr).toContain('beside.yaml is there already.');
  });

  it('sees before it measures anything that its file can be written', async () => {
    await writeFile(join(folder, 'taken'), '');
    const { stdout, stderr, exitCode } = await pipeline(
      ...['init', 'my photos', '--yes', '--output', 'taken/my.yaml'],
    );
    expect([stderr, exitCode]).toEqual([expect.stringContaining('taken'), 1]);
    expect(stdout.trim().split('\n').at(-1)).toMatch(/^This machine: /);
  });

  it('says what is wrong with a place without images', async () => {
    await mkdir(join(folder, 'empty'), { recursive: true });
    const { stderr, exitCode } = await pipeline('init', 'empty', '--yes');
    expect([stderr, exitCode]).toEqual([expect.stringContaining('empty: expected folders of images'), 2]);
    const size = await pipeline('init', 'my photos', '--size', '48');
    expect([size.stderr.includes('One of 32, 64, 128, 256 was expected.'), size.exitCode]).toEqual([true, 2]);
  });
});

it.each(starterSizes)('starter pipelines of %d pixels are valid and carry what was found', async (size) => {
  const file = join(folder, `starter-${size}.yaml`);
  const starter = {
    ...{
      name: '7',
      file: 'starter.yaml',
      path: 'FILES',
      size,
      counts: [100, 20],
      budgetSeconds: 60,
      measured: 'Here. '.repeat(40),
    },
  };
  const text = starterYaml(starter, { autoencoder: 150, train: 4000 });
  await writeFile(file, text);
  const loaded = await loadPipeline(file, { env: {} });
  expect(loaded).toMatchObject({ ok: true });
  expect(text).toContain('classSampling: balanced');
  expect(text).toContain('count: 18');
  // Its own name stands in its commands, and the images keep theirs.
  expect(text).toContain('npx pipeline run starter.yaml ');
  expect(text).toContain('path: FILES');
  expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(120);
});

it.each([
  ['/data/My_Photos (2024)', 'my-photos'],
  ['/data/FILES', 'files'],
  ['/data/train-{0000..1281}.tar', 'train'],
  ['/data/Bücher.zip', 'bucher'],
  ['/data/写真', 'images'],
  ['/data/store', 'images'],
  [`/data/${'Long_'.repeat(80)}`, 'long-long-long-long-long-long-long-long'],
])('names a pipeline for %s as pipelines may be named', async (path, name) => {
  expect(starterName(path)).toBe(name);
  const file = join(folder, `${name}.yaml`);
  const lengths = { autoencoder: 20, train: 20 };
  const starter = { size: 32, counts: [2, 2], budgetSeconds: 1, measured: '' } as const;
  await writeFile(file, starterYaml({ ...starter, file: `${name}.yaml`, name, path: 'my photos' }, lengths));
  expect(await loadPipeline(file, { env: {} })).toMatchObject({ ok: true });
});

it('suggests a size that images fill and the time allows, and lengths that fit', () => {
  expect(suggestedSize(500, 1800, false)).toBe(32);
  expect(suggestedSize(500, 1800, true)).toBe(64);
  expect(suggestedSize(500, 4 * 3600, false)).toBe(64);
  expect(suggestedSize(100, 1e6, true)).toBe(64);
  expect(suggestedSize(20, 1e6, true)).toBe(32);
  const large = { size: 32, budgetSeconds: 1000, counts: [5000] } as const;
  const own = { autoencoder: 0.1, train: 0.063 };
  expect(lengthsWithin(large, { ...own, others: 100 })).toEqual({ autoencoder: 2300, train: 11_000 });
  // Where all else takes too long, three tenths are left to the trainings.
  expect(lengthsWithin(large, { ...own, others: 2000 })).toEqual({ autoencoder: 780, train: 3500 });
  // Few images are not looked at more often than is of use, whatever time there is.
  const few = { size: 32, budgetSeconds: 7200, counts: [40, 20] } as const;
  expect(lengthsWithin(few, { ...own, others: 100 })).toEqual({ autoencoder: 1900, train: 1900 });
  expect(lengthsWithin({ size: 256, budgetSeconds: 1, counts: [9] }, { train: 10, others: 0 })).toEqual({
    autoencoder: 0,
    train: 20,
  });
});
