import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { tryLock } from '../../../src/base/file-lock.js';
import { toyCommand, toyProject, toyYaml } from '../toy-project.js';

let folder: string;
const pipeline = (...args: string[]) => toyCommand(folder, args);
const store = (kind: string) => join(folder, 'runs', 'store', kind);
const outputs = async (kind: string): Promise<string[]> =>
  (await readdir(store(kind))).filter((name) => /^[\da-f]{16}$/.test(name)).sort();
const everything = ['--older-than', '0'];

beforeEach(async () => {
  folder = await toyProject();
});

/** Leaves an output of `autoencoder`, and one of `report`, that nothing refers to. Gives the autoencoder's. */
async function orphan(): Promise<string> {
  await pipeline('run', 'toy.yaml', '--set', 'stages.autoencoder.steps=7');
  await rm(join(folder, 'runs', 'toy'), { recursive: true });
  const [orphaned] = await outputs('autoencoder');
  return orphaned!;
}

it('finds nothing where all is referred to: by a run, a pipeline file or a lock', async () => {
  const nothing = 'Nothing to remove: every output is referred to, or changed within the last 0 h.';
  await pipeline('run', 'toy.yaml');
  await writeFile(join(folder, 'toy.yaml'), toyYaml(4));
  expect((await pipeline('gc', ...everything)).stdout).toBe(nothing);
  await rm(join(folder, 'runs', 'toy'), { recursive: true });
  // The lock still tells of three steps.
  expect((await pipeline('gc', 'toy.yaml', ...everything)).stdout).toBe(nothing);
  await rm(join(folder, 'toy.lock.yaml'));
  await writeFile(join(folder, 'toy.yaml'), toyYaml(3));
  expect((await pipeline('gc', 'toy.yaml', ...everything)).stdout).toBe(nothing);
});

it('shows what it would remove, and removes it when told to', async () => {
  const orphaned = await orphan();
  await pipeline('run', 'toy.yaml');
  const kept = (await outputs('autoencoder')).filter((name) => name !== orphaned);
  const shown = await pipeline('gc', ...everything);
  const sizes = shown.stdout.replace(/store\/report\/[\da-f]{16}/, 'store/report/KEY');
  expect(sizes).toMatch(/ (bytes|kB) {2}runs\/store\/report\/KEY \(output\)/);
  expect(shown.stdout).toContain(`runs/store/autoencoder/${orphaned} (output)`);
  expect(shown.stdout).toMatch(
    /in 2 folders that no run, lock or pipeline file refers to; `npx pipeline gc --yes` removes/,
  );
  expect(await outputs('autoencoder')).toHaveLength(2);

  expect((await pipeline('gc', '--yes')).stdout).toContain('within the last 24 h');
  const removed = await pipeline('gc', '--yes', ...everything);
  expect(removed.stdout).toMatch(/\n\nRemoved 2 of 2: .* freed\.$/);
  expect(await outputs('autoencoder')).toEqual(kept);
  expect((await readdir(store('autoencoder'))).sort()).toEqual([...kept, `${kept[0]!}.lock`]);
  expect((await pipeline('plan', 'toy.yaml')).stdout).toContain('Nothing to run.');
});

it('leaves what is being made, and what a clock that was set back says is of tomorrow', async () => {
  const orphaned = await orphan();
  await pipeline('run', 'toy.yaml');
  const partial = join(store('autoencoder'), `${orphaned}.partial`);
  await rename(join(store('autoencoder'), orphaned), partial);
  const lock = tryLock(join(store('autoencoder'), `${orphaned}.lock`))!;
  const held = await pipeline('gc', '--yes', ...everything);
  expect(held.stdout).toContain(`${orphaned}.partial (interrupted session, in use: left)`);
  expect(existsSync(partial)).toBe(true);
  lock.release();
  const tomorrow = new Date(Date.now() + 86_400_000);
  await utimes(partial, tomorrow, tomorrow);
  await pipeline('gc', '--yes', ...everything);
  expect(existsSync(partial)).toBe(true);
});

it('removes damaged outputs that were moved aside, and says nothing of files that have never run', async () => {
  await pipeline('run', 'toy.yaml');
  const [key] = await outputs('images');
  await mkdir(join(store('images'), `${key!}.damaged-2026`));
  await writeFile(join(folder, 'other.yaml'), toyYaml().replace('path: data', 'path: nowhere'));
  await writeFile(join(folder, 'broken.yaml'), 'name: [');
  const { stdout, stderr, exitCode } = await pipeline('gc', '--yes', ...everything);
  expect(exitCode).toBe(0);
  // `other.yaml` and `broken.yaml` have never run here, so that they have no outputs.
  expect(stderr).toBe('');
  expect(stdout).toContain('damaged-2026 (damaged output)');
  expect(await outputs('images')).toEqual([key]);
});

const kept = 'Everything is kept.';

/** An output that nothing refers to, and an old run of `toy.yaml` beside it, whose folder is removed as the docs advise. */
async function garbageBesideToy(): Promise<void> {
  await orphan();
  await pipeline('run', 'toy.yaml');
  await rm(join(folder, 'runs', 'toy'), { recursive: true });
}

it('keeps what files in the folders of the project refer to, without their being named', async () => {
  await garbageBesideToy();
  const used = (await pipeline('plan', 'toy.yaml', '--json')).stdout;
  expect(await pipeline('gc', '--yes', ...everything)).toMatchObject({ exitCode: 0 });
  expect((await pipeline('plan', 'toy.yaml')).stdout).toContain('Nothing to run.');
  expect((await pipeline('plan', 'toy.yaml', '--json')).stdout).toBe(used);
});

it('keeps what the lock of a file refers to that is gone', async () => {
  await pipeline('run', 'toy.yaml');
  await rm(join(folder, 'runs', 'toy'), { recursive: true });
  await rename(join(folder, 'toy.yaml'), join(folder, 'other.yaml'));
  await writeFile(join(folder, 'other.yaml'), toyYaml(9));
  const { exitCode, stdout } = await pipeline('gc', ...everything, '--forget', 'toy.yaml');
  expect([exitCode, stdout]).toEqual([
    0,
    'Nothing to remove: every output is referred to, or changed within the last 0 h.',
  ]);
});

it('keeps what the points of a sweep would use, though their runs are gone', async () => {
  await garbageBesideToy();
  await writeFile(toyFile(), `${toyYaml()}sweep: { grid: { stages.autoencoder.steps: [7] } }\n`);
  const before = await outputs('autoencoder');
  expect(await pipeline('gc', '--yes', ...everything)).toMatchObject({ exitCode: 0 });
  expect(await outputs('autoencoder')).toEqual(before);
  await writeFile(toyFile(), toyYaml());
  await pipeline('gc', '--yes', ...everything);
  expect(await outputs('autoencoder')).toHaveLength(before.length - 1);
});

it('does not wait for pipes, and passes over folders, in the folders that it looks through', async () => {
  await garbageBesideToy();
  execFileSync('mkfifo', [join(folder, 'pipe.yaml')]);
  await mkdir(join(folder, 'folder.yaml'));
  expect(await pipeline('gc', '--yes', ...everything)).toMatchObject({ exitCode: 0, stderr: '' });
  expect(await outputs('autoencoder')).toHaveLength(1);
});

it.each([
  ['is a pipe', 'pipe.yaml', () => Promise.resolve(execFileSync('mkfifo', [join(folder, 'pipe.yaml')]))],
  ['is not there', 'nowhere.yaml', () => Promise.resolve()],
  ['is broken', 'broken.yaml', () => writeFile(join(folder, 'broken.yaml'), 'stages: [')],
  ['is a folder', 'folder.yaml', () => mkdir(join(folder, 'folder.yaml'))],
  ['is a lock', 'toy.lock.yaml', () => Promise.resolve()],
])('refuses a FILE that %s, and removes nothing', async (_, file, make) => {
  await garbageBesideToy();
  await make();
  const before = await outputs('autoencoder');
  const { exitCode, stderr } = await pipeline('gc', file, '--yes', ...everything);
  expect([exitCode, stderr]).toEqual([2, expect.stringContaining(file)]);
  expect(await outputs('autoencoder')).toEqual(before);
});

const registered = () => join(folder, 'runs', 'store', '.pipelines.json');
const toyFile = () => join(folder, 'toy.yaml');
const oldRun = () => join(folder, 'runs', 'toy', '2026-01-01T00-00-00.000Z');

it.each([
  ['a pipeline file that is broken', () => writeFile(toyFile(), 'stages: ['), 'toy.yaml'],
  [
    'one that needs a variable',
    () => writeFile(toyFile(), toyYaml().replace('path: data', "path: '${env:NO_SUCH}'")),
    'NO_SUCH',
  ],
  [
    'one with a sweep of which a point cannot be planned',
    () => writeFile(toyFile(), `${toyYaml()}sweep: { grid: { stages.images.path: [data, away] } }\n`),
    'away, which does not exist',
  ],
  ['one that is a pipe now', () => rm(toyFile()).then(() => execFileSync('mkfifo', [toyFile()])), 'a pipe'],
  ['one whose images are away', () => rename(join(folder, 'data'), join(folder, 'away')), 'does not exist'],
  ['one that is gone', () => rm(toyFile()), 'npx pipeline gc --forget'],
  ['one that is a folder now', () => rm(toyFile()).then(() => mkdir(toyFile())), 'toy.yaml'],
  [
    'a lock of a newer version',
    () => writeFile(join(folder, 'toy.lock.yaml'), 'format: 2\nmadeWith: {}\nstages: {}\n'),
    'format 2',
  ],
  [
    'a lock of another shape',
    () => writeFile(join(folder, 'toy.lock.yaml'), 'format: 1\nmadeWith: {}\nstages: { a: 3 }\n'),
    'toy.lock.yaml',
  ],
  [
    'a lock that was cut',
    () => writeFile(join(folder, 'toy.lock.yaml'), 'format: 1\nstages: { a: {'),
    'toy.lock.yaml',
  ],
  [
    'a run of another shape',
    () =>
      mkdir(oldRun(), { recursive: true }).then(() => writeFile(join(oldRun(), 'run.json'), '{"format":1}')),
    'run.json',
  ],
  ['a run that is a folder', () => mkdir(join(oldRun(), 'run.json'), { recursive: true }), 'run.json'],
  ['a list of files of another shape', () => writeFile(registered(), '[]\n'), '.pipelines.json'],
])('removes nothing where it cannot know what is referred to: %s', async (_, make, said) => {
  await garbageBesideToy();
  await make();
  const before = await outputs('autoencoder');
  const found = await pipeline('gc', '--yes', ...everything);
  expect([found.exitCode, found.stdout, found.stderr]).toEqual([1, kept, expect.stringContaining(said)]);
  expect(await outputs('autoencoder')).toEqual(before);
});

it('knows the files of every project that shares the folder of runs', async () => {
  const other = await toyProject();
  await writeFile(join(other, 'toy.yaml'), toyYaml(5));
  await toyCommand(other, ['run', 'toy.yaml', '--runs', join(folder, 'runs')]);
  await rm(join(folder, 'runs', 'toy'), { recursive: true });
  const before = await outputs('autoencoder');
  await pipeline('gc', '--yes', ...everything);
  expect(await outputs('autoencoder')).toEqual(before);
  await rename(other, `${other}-away`);
  expect(await pipeline('gc', '--yes', ...everything)).toMatchObject({ exitCode: 1, stdout: kept });
});

it('keeps what runs refer to whose folder is a link', async () => {
  await pipeline('run', 'toy.yaml', '--set', 'stages.autoencoder.steps=5');
  await rename(join(folder, 'runs', 'toy'), join(folder, 'elsewhere'));
  await symlink(join(folder, 'elsewhere'), join(folder, 'runs', 'toy'));
  const before = await outputs('autoencoder');
  await pipeline('gc', '--yes', ...everything);
  expect(await outputs('autoencoder')).toEqual(before);
});

it('keeps what a stage may turn out to have once those before it have run again', async () => {
  await garbageBesideToy();
  const [key] = await outputs('images');
  await rm(join(store('images'), key!), { recursive: true });
  await rm(join(folder, 'toy.lock.yaml'));
  expect((await pipeline('gc', '--yes', ...everything)).exitCode).toBe(0);
  // The images give the same again, so that what follows from them is used.
  const { stdout } = await pipeline('run', 'toy.yaml');
  expect(stdout).toMatch(/^autoencoder: cached/m);
});
