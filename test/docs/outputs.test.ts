import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, it } from 'vitest';
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
