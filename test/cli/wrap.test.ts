import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import stringWidth from 'string-width';
import { expect, it } from 'vitest';
import { commands } from '../../src/cli/program.js';
import { wrap } from '../../src/cli/wrap.js';
import { toyCommand, toyProject, toyYaml } from './toy-project.js';

it('breaks between words, and goes on where the last column starts', () => {
  expect(wrap('train  runs  never run; images have changed', 30)).toBe(
    'train  runs  never run; images\n             have changed',
  );
  expect(wrap('  Free some space, then run again.', 20)).toBe('  Free some space,\n  then run again.');
  expect(wrap('error: there is no such file or folder', 20)).toBe('error: there is no\nsuch file or folder');
  expect(wrap('short\n', 20)).toBe('short\n');
});

it.each([40, 80])('keeps to %d columns, and keeps every word', (width) => {
  const text = `\u001B[31merror:\u001B[39m ${'The disk 数据 failed to read or write it. '.repeat(9)}`;
  const wrapped = wrap(text, width);
  for (const line of wrapped.split('\n')) expect(stringWidth(line)).toBeLessThanOrEqual(width);
  expect(wrapped.split(/\s+/)).toEqual(text.split(/\s+/));
  // A word that is wider than the terminal is not torn: paths can be copied.
  expect(wrap(`at /${'x'.repeat(100)} here`, width)).toContain(`/${'x'.repeat(100)}`);
});

it.each([40, 80])('is what every command does at %d columns', async (columns) => {
  const folder = await toyProject();
  const said: string[] = [];
  const command = async (...args: string[]) => {
    const { stdout, stderr } = await toyCommand(folder, args, columns);
    said.push(stdout, stderr);
    return stdout + stderr;
  };
  expect(await command('status')).toContain('No runs yet');
  await command('run', 'toy.yaml');
  await command('run', 'toy.yaml');
  expect(await command('compare', 'latest~1', 'latest')).toContain('The configurations');
  await command('compare', 'latest', '--html', 'comparison of two runs of the same file.html');
  await command('report', 'latest');
  await command('gc');
  await command('lock', 'toy.yaml');
  await writeFile(join(folder, 'data', 'another image.png'), 'b');
  await writeFile(join(folder, 'toy.yaml'), toyYaml(4));
  expect(await command('run', 'toy.yaml', '--locked')).toContain('stages.autoencoder.steps');
  await command('accept', 'toy.yaml', 'images');
  await writeFile(
    join(folder, 'toy.yaml'),
    `${toyYaml(4)}sweep: { grid: { stages.autoencoder.steps: [4, 5] } }\n`,
  );
  expect(await command('sweep', 'toy.yaml', '--plan')).toContain('trials to run');
  expect(await command('run', 'toy.yaml')).toContain('Its');
  await command('export', 'latest', 'somewhere else on this machine');
  await command('import', 'weights that are not there.pt', 'out');
  const nowhere = ['--set', 'stages.images.path=a folder that is not there on this machine'];
  expect(await command('validate', 'toy.yaml', ...nowhere)).toContain('valid, 3 stages');
  expect(await command('sweep', 'toy.yaml', ...nowhere)).toContain('--set');
  const words = /^\s*\S+$/;
  const wide = said
    .join('\n')
    .split('\n')
    .filter((line) => stringWidth(line) > columns && !words.test(line));
  expect(wide).toEqual([]);
});

it.each([72, 80])('is what help does at %d columns', async (columns) => {
  const folder = await toyProject();
  for (const args of [['--help'], [], ...Object.keys(commands).map((name) => [name, '--help'])]) {
    const { stdout, stderr } = await toyCommand(folder, args, columns);
    expect(stdout + stderr).toContain('Usage: ');
    const wide = (stdout + stderr).split('\n').filter((line) => stringWidth(line) > columns);
    expect(wide, args.join(' ')).toEqual([]);
  }
});

it.each([
  ['sweep', 'sweep: { grid: { stages.train.steps: [4, 5] } }\n'],
  ['calibrate', ''],
])('%s names a missing input at its line', async (command, rest) => {
  const folder = await toyProject();
  const yaml = `name: toy
stages:
  images: { uses: images, path: nowhere, size: 32 }
  autoencoder: { uses: autoencoder, images: images, channels: [32, 64], steps: 3 }
  latents: { uses: encode, images: images, autoencoder: autoencoder }
  train: { uses: train, latents: latents, steps: 3, model: { hiddenSize: 32, depth: 2, heads: 2, patchSize: 1, mediators: 4 } }
  other: { uses: train, latents: latents, steps: 4, model: { hiddenSize: 32, depth: 2, heads: 2, patchSize: 1, mediators: 0 } }
  sample:
    uses: sample
    phases: [{ model: train, switchRatio: 0.9 }, { model: other }]
    autoencoder: autoencoder
    count: 1
`;
  await writeFile(join(folder, 'toy.yaml'), yaml + rest);
  const { exitCode, stderr } = await toyCommand(folder, [command, 'toy.yaml']);
  expect(stderr).toMatch(/^toy\.yaml:3:33 error \S+: Stage images reads .*nowhere, which does not exist\./);
  expect(exitCode).toBe(2);
});
