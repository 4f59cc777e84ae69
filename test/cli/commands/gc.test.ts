import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { tryLock } from '../../../src/files/file-lock.js';
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
  const nothing = 'Nothing to remove: all is referred to, or changed within the last 0 h.';
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
    /in 2 folders that no run, lock or pipeline file refers to; `pipeline gc --yes` removes/,
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

it('removes damaged outputs that were moved aside, and says which files it could not ask', async () => {
  await pipeline('run', 'toy.yaml');
  const [key] = await outputs('images');
  await mkdir(join(store('images'), `${key!}.damaged-2026`));
  await writeFile(join(folder, 'other.yaml'), toyYaml().replace('path: data', 'path: nowhere'));
  await writeFile(join(folder, 'broken.yaml'), 'name: [');
  const { stdout, stderr, exitCode } = await pipeline('gc', '--yes', ...everything);
  expect(exitCode).toBe(0);
  expect(stderr).toMatch(
    /^note: What .*other\.yaml needs beyond its runs is not known: Stage images reads .*nowhere/,
  );
  expect(stdout).toContain('damaged-2026 (damaged output)');
  expect(await outputs('images')).toEqual([key]);
});
