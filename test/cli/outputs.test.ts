import { realpath } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { expect, it } from 'vitest';
import { findOutput } from '../../src/cli/outputs.js';
import type { Services } from '../../src/cli/services.js';
import { toyRegistry } from '../runner/toy-kinds.js';
import { toyCommand, toyProject } from './toy-project.js';

/** What a word of `export` and `publish` means in a folder. */
async function found(folder: string, name: string): Promise<string> {
  const before = process.cwd();
  process.chdir(folder);
  try {
    const services = { env: {}, loadRegistry: () => Promise.resolve(toyRegistry()) };
    return (await findOutput(name, undefined, services as unknown as Services)).directory;
  } finally {
    process.chdir(before);
  }
}

it('a stage without its file is that of the latest run', async () => {
  const folder = await toyProject();
  await expect(found(folder, 'autoencoder')).rejects.toThrow(
    'autoencoder is no file, and there is no run in runs',
  );
  await toyCommand(folder, ['run', 'toy.yaml']);
  const first = await realpath(await found(folder, 'autoencoder'));
  expect(first).toBe(await realpath(join(folder, 'runs', 'toy', 'latest', 'autoencoder')));
  await toyCommand(folder, ['run', 'toy.yaml', '--set', 'stages.autoencoder.steps=4']);
  const second = await realpath(await found(folder, 'autoencoder'));
  expect(second).toBe(await realpath(join(folder, 'runs', 'toy', 'latest', 'autoencoder')));
  expect(second).not.toBe(first);
  await expect(found(folder, 'autoencodr')).rejects.toMatchObject({
    code: 'no-such-stage',
    remedy: 'Did you mean autoencoder?',
  });
  await toyCommand(folder, ['run', 'toy.yaml', '--set', 'stages.autoencoder.steps=5', '--until', 'images']);
  await expect(found(folder, 'autoencoder')).rejects.toMatchObject({ code: 'no-such-stage' });
});

it('a stage behind the name of a run is that run’s', async () => {
  const folder = await toyProject();
  await toyCommand(folder, ['run', 'toy.yaml']);
  const id = basename(await realpath(join(folder, 'runs', 'toy', 'latest')));
  const first = await realpath(await found(folder, 'autoencoder'));
  await toyCommand(folder, ['run', 'toy.yaml', '--set', 'stages.autoencoder.steps=4']);
  const second = await realpath(await found(folder, 'toy/autoencoder'));
  expect(second).not.toBe(first);
  for (const name of ['toy~1/autoencoder', `toy/${id}/autoencoder`])
    expect(await realpath(await found(folder, name)), name).toBe(first);
  expect(await realpath(await found(folder, 'latest/autoencoder'))).toBe(second);
  await expect(found(folder, 'toy/autoencodr')).rejects.toMatchObject({
    code: 'no-such-stage',
    remedy: 'Did you mean autoencoder?',
  });
  await expect(found(folder, 'toy~7/autoencoder')).rejects.toMatchObject({ code: 'no-such-run' });
});

it('a file of that name, a path or an address is what it says', async () => {
  const folder = await toyProject();
  await toyCommand(folder, ['run', 'toy.yaml']);
  for (const name of ['data', 'runs/toy', 'hf://toy/autoencoder', 'owner/name', 'weights.pt'])
    expect(await found(folder, name)).toBe(name);
});
