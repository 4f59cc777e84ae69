import { cp, mkdir, mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse } from 'yaml';
import { smokeProfile } from '../pipelines/smoke-profile.js';
import { compilePrograms } from '../support/programs.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const file = join('pipelines', 'quickstart.yaml');
let folder: string;

beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'clones ')));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** A copy of the project, as a clone has it, whose own command is run. */
async function clone(name: string, lock?: string) {
  const project = join(folder, name);
  await mkdir(project);
  await compilePrograms(project);
  await cp(join(root, 'pipelines'), join(project, 'pipelines'), { recursive: true });
  if (lock !== undefined) await cp(lock, join(project, 'pipelines', 'quickstart.lock.yaml'));
  return (...args: string[]) =>
    execa(process.execPath, [join('src', 'cli', 'main.js'), ...args], {
      ...{ cwd: project, reject: false },
      env: { PIPELINE_RUNS: '', NO_COLOR: '1' },
    });
}

interface Lock {
  readonly stages: Readonly<Record<string, { readonly output?: string }>>;
}
const lockOf = (name: string): string => join(folder, name, 'pipelines', 'quickstart.lock.yaml');
const outputs = async (name: string): Promise<(string | undefined)[]> => {
  const { stages } = parse(await readFile(lockOf(name), 'utf8')) as Lock;
  return ['images', 'autoencoder', 'latents', 'train', 'sample'].map((id) => stages[id]?.output);
};

it('a clone elsewhere reproduces the hashes of the lock that was checked in, and refuses anything else', async () => {
  const options = await smokeProfile();
  const first = await clone('first');
  const made = await first('run', file, ...options);
  expect(made.exitCode, made.stdout + made.stderr).toBe(0);
  expect((await first('lock', file, ...options)).exitCode).toBe(0);

  const second = await clone('a clone ü', lockOf('first'));
  const different = await second('run', file, ...options, '--locked', '--set', 'seed=1');
  expect(different.exitCode).toBe(2);
  expect(different.stdout + different.stderr).toContain('seed');
  const again = await second('run', file, ...options, '--locked');
  expect(again.exitCode, again.stdout + again.stderr).toBe(0);
  expect(again.stdout).not.toContain('cached');
  await rm(lockOf('a clone ü'));
  expect((await second('lock', file, ...options)).exitCode).toBe(0);
  const hashes = await outputs('a clone ü');
  expect(hashes).toEqual(await outputs('first'));
  for (const hash of hashes) expect(hash).toMatch(/^[\da-f]{64}$/);
});
