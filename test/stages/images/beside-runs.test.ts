import { appendFile, copyFile, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { ImagesConfig } from '../../../src/generated/index.js';
import { withDefaults } from '../../../src/runner/schema/defaults.js';
import { readSchema } from '../../../src/runner/schema/schema.js';
import { measureReading } from '../../../src/stages/images/rate.js';
import { folderWith, removeFolders } from '../../data/images/folders.js';
import { runCommand } from '../../support/run-command.js';

afterAll(removeFolders);

describe('images beside their own pipeline file and runs', () => {
  const begin = async (labels: string) => {
    const folder = await folderWith({ 'cat/0.png': true, 'dog/1.png': [9, 8] });
    const file = join(folder, 'pets.yaml');
    await writeFile(
      file,
      `name: pets\nstages: { images: { uses: images, path: ., size: 8, labels: ${labels} } }\n`,
    );
    const run = async (...options: string[]) => {
      const { exitCode, stdout, stderr } = await runCommand(['run', file, ...options], process.env);
      expect(stderr).toBe('');
      expect(exitCode).toBe(0);
      return stdout;
    };
    const set = async () => {
      const text = await readFile(join(folder, 'runs/pets/latest/images/set.json'), 'utf8');
      return JSON.parse(text) as { classes: string[]; count: number };
    };
    return { folder, file, run, set };
  };

  it.each([
    ['folders', ['cat', 'dog']],
    ['none', ['all']],
  ])('with labels: %s are those that are there, whatever runs hold', async (labels, classes) => {
    const { folder, file, run, set } = await begin(labels);
    expect(await run()).toContain('images 2');
    expect(await set()).toMatchObject({ classes, count: 2 });
    await mkdir(join(folder, 'runs/samples'));
    await copyFile(join(folder, 'cat/0.png'), join(folder, 'runs/samples/2.png'));
    await appendFile(file, '# Whatever a pipeline file says of other things\n');
    expect(await run()).toContain('cached');
    expect(await run('--force', 'images', '--locked')).toContain('images 2');
    await rename(join(folder, 'runs'), `${folder}-runs`);
    await symlink(`${folder}-runs`, join(folder, 'runs'));
    expect(await run()).toContain('cached');
    expect(await run('--force', 'images')).toContain('images 2');
    await rm(`${folder}-runs`, { recursive: true });
  });

  it('are what is measured, wherever runs are', async () => {
    const folder = await folderWith({ 'cat/0.png': true, 'dog/1.png': true, 'out/samples/2.png': true });
    const config = withDefaults(readSchema('stages/images.schema.json'), { path: '.', size: 8 });
    const folders = { pipeline: folder, runs: join(folder, 'out') };
    expect(await measureReading(config as ImagesConfig, folders)).toMatchObject({ amount: 2 });
  });
});
