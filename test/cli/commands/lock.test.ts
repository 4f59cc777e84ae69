import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { toyCommand, toyProject, toyYaml } from '../toy-project.js';

let folder: string;
const pipeline = (...args: string[]) => toyCommand(folder, args);
const lockFile = () => join(folder, 'toy.lock.yaml');
const lockText = () => readFile(lockFile(), 'utf8');

beforeEach(async () => {
  folder = await toyProject();
});

describe('a finished run', () => {
  it('writes the lock, once, and the same elsewhere', async () => {
    expect((await pipeline('run', 'toy.yaml')).stdout).toMatch(/\nLock: toy\.lock\.yaml\n/);
    const text = await lockText();
    const lock = parse(text) as { stages: Record<string, unknown> };
    expect(Object.keys(lock.stages)).toEqual(['images', 'autoencoder', 'report']);
    expect(lock.stages.autoencoder).toMatchObject({
      kind: 'autoencoder',
      config: { channels: [32, 64, 96], steps: 3 },
      withoutEffect: { logEverySteps: 20 },
      figures: { steps: 3 },
    });
    expect((await pipeline('run', 'toy.yaml')).stdout).not.toContain('Lock');
    expect((await pipeline('lock', 'toy.yaml')).stdout).toBe('toy.lock.yaml: unchanged');
    const other = join(folder, 'a clone');
    await mkdir(other);
    for (const name of ['data', 'toy.yaml'])
      await cp(join(folder, name), join(other, name), { recursive: true });
    await toyCommand(other, ['run', 'toy.yaml']);
    expect(await readFile(join(other, 'toy.lock.yaml'), 'utf8')).toBe(text);
  });

  it('of another configuration than that of the file leaves the lock alone', async () => {
    await pipeline('run', 'toy.yaml', '--set', 'stages.autoencoder.steps=2');
    await pipeline('run', 'toy.yaml', '--until', 'images');
    await pipeline('run', 'toy.yaml', '--no-lock');
    await expect(lockText()).rejects.toThrow('ENOENT');
    const { stdout } = await pipeline('lock', 'toy.yaml', '--set', 'stages.autoencoder.steps=2');
    expect(stdout).toBe('toy.lock.yaml: written');
    expect(parse(await lockText())).toMatchObject({ set: ['stages.autoencoder.steps=2'] });
  });

  it('of a recipe of an installed package writes it in the project, where --locked finds it', async () => {
    const recipe = 'node_modules/ours/toy.yaml';
    await writeFile(join(folder, 'package.json'), '{}');
    await mkdir(join(folder, 'node_modules/ours'), { recursive: true });
    for (const name of ['data', 'toy.yaml'])
      await cp(join(folder, name), join(folder, 'node_modules/ours', name), { recursive: true });
    expect((await pipeline('run', recipe)).stdout).toMatch(/\nLock: toy\.lock\.yaml\n/);
    expect(await lockText()).toContain(`npx pipeline run ${recipe} --locked`);
    expect(await readdir(join(folder, 'node_modules/ours'))).toEqual(['data', 'toy.yaml']);
    expect((await pipeline('run', recipe, '--locked')).exitCode).toBe(0);
    await writeFile(join(folder, recipe), toyYaml(4));
    expect((await pipeline('run', recipe, '--locked')).exitCode).toBe(2);
  });

  it('is no failure where the lock cannot be written', async () => {
    await mkdir(join(lockFile(), 'in the way'), { recursive: true });
    const { stdout, exitCode } = await pipeline('run', 'toy.yaml');
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(
      /\nThe lock was not written: .*toy\.lock\.yaml: expected a file, found a folder\.\n/,
    );
  });
});

describe('where a pipeline is asked for, a lock', () => {
  beforeEach(async () => {
    await pipeline('run', 'toy.yaml');
  });

  it('is passed over by validate, which says so', async () => {
    const { stdout, exitCode } = await pipeline('validate', 'toy.yaml', 'toy.lock.yaml');
    expect(stdout).toBe('toy.yaml: valid, 3 stages\ntoy.lock.yaml: the lock of a pipeline, not checked');
    expect(exitCode).toBe(0);
  });

  it.each(['run', 'plan', 'lock', 'sweep'])(
    'is refused by %s as what it is, whatever its name',
    async (command) => {
      await cp(lockFile(), join(folder, 'kept.yaml'));
      await writeFile(join(folder, 'extending.yaml'), 'extends: kept.yaml\n');
      for (const name of ['toy.lock.yaml', 'kept.yaml', 'extending.yaml']) {
        const { stderr, exitCode } = await pipeline(command, name);
        expect(stderr).toMatch(/^(toy\.lock|kept)\.yaml:1:1 error lock-file: /);
        expect(stderr).toContain('Name the pipeline file');
        expect(exitCode).toBe(2);
      }
    },
  );

  it('is not suggested, and a pipeline whose name ends as that of a lock is a pipeline', async () => {
    await cp(join(folder, 'toy.yaml'), join(folder, 'door.lock.yaml'));
    expect((await pipeline('validate', 'door.lock.yaml')).stdout).toBe('door.lock.yaml: valid, 3 stages');
    await writeFile(join(folder, 'extending.yaml'), 'extends: nowhere.yaml\n');
    const { stderr } = await pipeline('plan', 'extending.yaml');
    expect(stderr).toContain('door.lock.yaml');
    expect(stderr).not.toContain('toy.lock.yaml');
  });
});

describe('pipeline lock', () => {
  it('names the stages that have not run', async () => {
    await pipeline('run', 'toy.yaml', '--until', 'images');
    const { stderr, exitCode } = await pipeline('lock', 'toy.yaml');
    expect([exitCode, stderr]).toEqual([
      1,
      `error: toy.yaml: a lock tells of finished outputs; autoencoder, report have none.
  npx pipeline run toy.yaml`,
    ]);
  });
});

describe.each(['run', 'plan'])('pipeline %s --locked', (command) => {
  it('refuses a file without a lock, or with a broken one', async () => {
    const missing = await pipeline(command, 'toy.yaml', '--locked');
    expect([missing.exitCode, missing.stderr]).toEqual([
      2,
      expect.stringContaining('toy.lock.yaml: expected the lock'),
    ]);
    await writeFile(lockFile(), 'format: 1\n<<<<<<< ours\n');
    const broken = await pipeline(command, 'toy.yaml', '--locked');
    expect([broken.exitCode, broken.stderr]).toEqual([
      2,
      expect.stringContaining('expected a lock of format 1'),
    ]);
  });

  it('refuses what differs, with every difference at its line', async () => {
    await pipeline('run', 'toy.yaml');
    expect((await pipeline(command, 'toy.yaml', '--locked')).exitCode).toBe(0);
    await writeFile(join(folder, 'toy.yaml'), toyYaml(4).replace('name: toy', 'name: toy\nseed: 5'));
    await writeFile(join(folder, 'data', 'a.png'), 'bb');
    await writeFile(lockFile(), (await lockText()).replace(/platform: .+/, 'platform: plan9-mips'));
    const { exitCode, stderr } = await pipeline(command, 'toy.yaml', '--locked');
    const text = stderr.replaceAll(/[\da-f]{64}/g, 'HASH').replace(folder, 'FOLDER');
    expect([exitCode, text]).toEqual([
      2,
      `toy.yaml:4:33 error differs-from-lock: stages.images.path: 1 files, 1 bytes, SHA-256 HASH in the lock, 1 files, 2 bytes, SHA-256 HASH found.
      images: { uses: images, path: data, size: 32 }
                                    ^^^^

toy.yaml:2:7 error differs-from-lock: seed: 0 in the lock, 5 found.
    seed: 5
          ^

toy.yaml:9:12 error differs-from-lock: stages.autoencoder.steps: 3 in the lock, 4 found.
        steps: 4
               ^

platform: plan9-mips in the lock, ${process.platform}-${process.arch} found

error: 4 facts differ from FOLDER/toy.lock.yaml; nothing was run.
  Undo the changes, or run without --locked, which writes the lock anew.`,
    ]);
  });

  it('does not mind what changes no output, a new name, nor another version of Node', async () => {
    await pipeline('run', 'toy.yaml');
    const changed = toyYaml()
      .replace('name: toy', 'name: other')
      .replace('steps: 3', 'steps: 3 # few\n    logEverySteps: 7');
    await writeFile(join(folder, 'toy.yaml'), changed);
    await writeFile(lockFile(), (await lockText()).replace(/node: \d+/, 'node: 19'));
    const { exitCode, stderr } = await pipeline(command, 'toy.yaml', '--locked');
    expect([exitCode, stderr]).toEqual([0, '']);
  });
});

it('stops after a stage whose output is another one, and says what may have caused it', async () => {
  await pipeline('run', 'toy.yaml');
  await rm(join(folder, 'runs'), { recursive: true });
  const lock = parse(await lockText()) as { stages: { images: { output: string } } };
  const text = await lockText();
  const other = text
    .replace(lock.stages.images.output, 'f'.repeat(64))
    .replace(/node: \d+/, 'node: 19')
    .replace(/processor: .*/, 'processor: Z80');
  await writeFile(lockFile(), other);
  const { exitCode, stdout, stderr } = await pipeline('run', 'toy.yaml', '--locked');
  expect(exitCode).toBe(1);
  expect(stderr).toContain('Stage images failed: The output is not the one that');
  expect(stderr).toContain(
    `\n  stages.images output: ${'f'.repeat(64)} in the lock, ${lock.stages.images.output} found`,
  );
  expect(stderr).toMatch(
    /\n {2}node: 19 in the lock, \d+ found\n {2}processor: Z80 in the lock, .* found\n {2}node, processor: another one may round/,
  );
  expect(stdout).not.toContain('autoencoder: starts');
});

it('names a batch that may have rounded the last bits otherwise', async () => {
  const encode = (batch: number) =>
    `${toyYaml()}  latents: { uses: encode, images: images, autoencoder: autoencoder, batch: ${batch} }\n`;
  await writeFile(join(folder, 'toy.yaml'), encode(8));
  await pipeline('run', 'toy.yaml');
  await writeFile(join(folder, 'toy.yaml'), encode(4));
  expect((await pipeline('run', 'toy.yaml', '--locked')).exitCode).toBe(0);
  const { stages } = parse(await lockText()) as { stages: { latents: { output: string } } };
  await writeFile(lockFile(), (await lockText()).replaceAll(stages.latents.output, 'f'.repeat(64)));
  await rm(join(folder, 'runs'), { recursive: true });
  const { exitCode, stderr } = await pipeline('run', 'toy.yaml', '--locked');
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(/\n {2}stages\.latents\.batch: 8 in the lock, 4 found\n/);
  expect(stderr).toContain('stages.latents.batch: another one may round the last bits otherwise');
});
