import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, it } from 'vitest';
import { type ModelName, SiT, type SiTOptions } from '../../src/library/sit.js';
import { sitCost } from '../../src/models/sit/cost.js';
import { trainingMemory } from '../../src/models/sit/memory.js';
import { withFiles } from '../runner/files.js';
import { nodeProgram } from '../support/programs.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): Promise<string> => readFile(join(root, path), 'utf8');

/** The blocks between fences of a page, in which a text stands. */
const blockWith = (page: string, text: string): string =>
  [...page.matchAll(/^```\w*\n([\s\S]*?)^```$/gm)]
    .map(([, block]) => block!)
    .find((each) => each.includes(text))!;

const words = (text: string): string[] => text.split('\n').map((line) => line.replace(/ +/g, ' ').trim());

/** 64 mediators in the first four blocks, full attention in the others. */
const inFour = (depth: number): number[] => Array.from({ length: depth }, (_, block) => (block < 4 ? 64 : 0));

const pipeline = (folder: string, ...args: string[]) =>
  execa(process.execPath, [...nodeProgram('src/cli/main.ts'), ...args], {
    cwd: folder,
    env: { NO_COLOR: '1' },
    reject: false,
  });

it('the errors in the README are those of its file', async () => {
  const file = `name: mine
stages:
  images: { uses: images, path: photos, size: 32 }
  autoencoder: { uses: autoencoder, images: images, channels: [8, 16], steps: 9 }
  latents: { uses: encode, images: images, autoencoder: autoencoder }
  train:
    uses: train
    latents: latents
    model: { name: SiT-S/2, mediators: 5 }
    step: 400
`;
  const shown = blockWith(await read('README.md'), 'error missing-key');
  const { all, exitCode } = await withFiles({ 'pipelines/mine.yaml': file }, async (folder) => {
    const { stdout, stderr, exitCode } = await pipeline(folder, 'validate', 'pipelines/mine.yaml');
    return { all: stdout + stderr, exitCode };
  });
  expect(exitCode).toBe(2);
  expect(all).toContain(shown.trim());
});

it('docs/pipelines.md shows what `plan --resolved` prints of its example', async () => {
  const page = await read('docs/pipelines.md');
  const shown = blockWith(page, '--resolved --set').split('\n').slice(1);
  const printed = await withFiles(
    {
      'quick-look.yaml': blockWith(page, '# quick-look.yaml\n'),
      'quickstart.yaml': await read('pipelines/quickstart.yaml'),
    },
    async (folder) =>
      (await pipeline(folder, 'plan', 'quick-look.yaml', '--resolved', '--set', 'seed=4')).stdout,
  );
  for (const line of words(shown.join('\n')))
    if (!['', '…'].includes(line)) expect(words(printed)).toContain(line);
});

it('figures of speed in the README are those of docs/performance.md', async () => {
  const performance = await read('docs/performance.md');
  const rows = (await read('README.md'))
    .split('\n')
    .filter((line) => line.includes('](docs/performance.md#'));
  const figures = rows.flatMap((row) => {
    const cell = row.split('|').at(-2) ?? row;
    return cell.replace(/\]\([^)]*\)/g, '').match(/\b\d+\.\d+\b/g) ?? [];
  });
  expect(figures.length).toBeGreaterThan(9);
  expect(figures.filter((figure) => !new RegExp(`(?<![\\d.])${figure}(?![\\d])`).test(performance))).toEqual(
    [],
  );
});

it('memory that docs/performance.md expects of trainings is what `plan` expects', async () => {
  const of32 = { latentSize: 32, classes: 10 } as const;
  const s2 = { name: 'SiT-S/2', mediators: 64, ...of32 } as const;
  const b2 = { name: 'SiT-B/2', mediators: 64, ...of32 } as const;
  const small = { heads: 4, patchSize: 2, mediators: 4, ...of32 };
  const xl = (depth: number) => ({
    hiddenSize: 1152,
    depth,
    heads: 16,
    patchSize: 2,
    mediators: inFour(depth),
    ...of32,
  });
  const expected = (options: SiTOptions, batch: number, recompute = false): string => {
    const gigabytes = trainingMemory(SiT.configOf(options), { batch, averages: 1, recompute }) / 1e9;
    return `${gigabytes.toFixed(gigabytes < 10 ? 2 : 1)} GB`;
  };
  const rows = [
    [
      '2 blocks of 64 channels, 4 mediators, 256 px, batch 4',
      expected({ hiddenSize: 64, depth: 2, ...small }, 4),
    ],
    ['6 blocks of 192 channels, 4 mediators, batch 8', expected({ hiddenSize: 192, depth: 6, ...small }, 8)],
    ['SiT-S/2 with 64 mediators, batch 2', expected(s2, 2)],
    ['the same, batch 8', expected(s2, 8)],
    ['the same with `recompute: true`', expected(s2, 8, true)],
    ['SiT-B/2 with 64 mediators, batch 2', expected(b2, 2)],
    ['the same, 512 px, batch 1', expected({ ...b2, latentSize: 64 }, 1)],
    [
      'SiT-XL/2 with 8 blocks instead of 28, 4 of them with 64 mediators, 256 px, batch 1',
      expected(xl(8), 1),
    ],
    [
      'SiT-XL/2, 4 of its 28 blocks with 64 mediators, batch 1 (peak of an earlier version)',
      expected(xl(28), 1),
    ],
  ];
  const page = await read('docs/performance.md');
  const table = page.slice(page.indexOf('| Training, each in')).split('\n\n')[0]!;
  const shown = new Map(
    table.split('\n').map(
      (row) =>
        row
          .split('|')
          .slice(1, 3)
          .map((cell) => cell.trim()) as [string, string],
    ),
  );
  expect(rows.map(([name]) => [name, shown.get(name!)])).toEqual(rows);
});

it('multiply-accumulates that docs/results.md says mediators save are those that are counted', async () => {
  const counted = (name: ModelName, pixels: number, mediators: SiTOptions['mediators']): number =>
    sitCost(SiT.configOf({ name, mediators, latentSize: pixels / 8, classes: 1000 })).multiplyAccumulates;
  const lines = (await read('docs/results.md'))
    .split('\n')
    .filter((line) => /^\| (?:S|B|XL)\/2 \| \d/.test(line));
  expect(lines).toHaveLength(9);
  for (const line of lines) {
    const [size, pixels, full, ...saved] = line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim());
    const name = `SiT-${size as 'S/2' | 'B/2' | 'XL/2'}` as const;
    const whole = counted(name, Number(pixels), 0);
    const few = [4, 16, 64, ...(saved[3] === '' ? [] : [inFour(28)])].map(
      (mediators) => `−${((1 - counted(name, Number(pixels), mediators) / whole) * 100).toFixed(1)} %`,
    );
    expect([(whole / 1e9).toFixed(1), ...few]).toEqual([full, ...saved.filter((cell) => cell !== '')]);
  }
});
