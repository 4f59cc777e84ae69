import { createHash } from 'node:crypto';
import { cp, mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSafetensors } from '../../../src/formats/safetensors/reader.js';
import { listeners, processTree } from '../../support/listeners.js';
import { startPipeline, tinyPipeline } from '../../support/tiny-pipeline.js';

const steps = 40;

let folder: string;

beforeAll(async () => {
  folder = await tinyPipeline();
  // What is trained on is made once.
  expect((await startPipeline(folder, ['run', 'tiny.yaml', '--until', 'latents'], 'alone')).exitCode).toBe(0);
  for (const runs of ['two', 'interrupted', 'watched'])
    await cp(join(folder, 'alone'), join(folder, runs), { recursive: true, verbatimSymlinks: true });
}, 120_000);

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const start = (runs: string, workers: number, env = {}) =>
  startPipeline(
    folder,
    ['run', 'tiny.yaml', '--until', 'train', '--set', `runtime.workers=${workers}`],
    runs,
    env,
  );

async function checkpoint(runs: string): Promise<string> {
  const checkpoints = join(folder, runs, 'tiny', 'latest', 'train', 'checkpoints');
  expect(await readdir(checkpoints)).toContain(`step-${String(steps).padStart(9, '0')}`);
  return join(checkpoints, `step-${String(steps).padStart(9, '0')}`);
}

/** Hashes of a checkpoint's tensors. */
async function hashes(runs: string): Promise<Record<string, string>> {
  const path = await checkpoint(runs);
  const names = (await readdir(path)).filter((name) => name.endsWith('.safetensors'));
  return Object.fromEntries(
    await Promise.all(
      names.map(async (name) => [
        name,
        createHash('sha256')
          .update(await readFile(join(path, name)))
          .digest('hex'),
      ]),
    ),
  ) as Record<string, string>;
}

async function weights(runs: string): Promise<Float32Array[]> {
  const file = await openSafetensors(join(await checkpoint(runs), 'weights.safetensors'));
  try {
    const values: Float32Array[] = [];
    for (const name of file.tensors.keys()) values.push(await file.readFloat32(name));
    return values;
  } finally {
    await file.close();
  }
}

describe('training with two workers', () => {
  it('gives what one gives but for rounding, and the same bytes when it was interrupted', async () => {
    expect((await start('alone', 1)).exitCode).toBe(0);
    expect((await start('two', 2)).exitCode).toBe(0);

    const interrupted = start('interrupted', 2);
    interrupted.stdout.on('data', (text: Buffer) => {
      if (text.includes('train: starts')) void sleep(2_500).then(() => interrupted.kill('SIGINT'));
    });
    // Where it is too fast to be interrupted, or not yet training, the comparison below still holds.
    expect([0, 130]).toContain((await interrupted).exitCode);
    expect((await start('interrupted', 2)).exitCode).toBe(0);

    const [alone, two] = [await weights('alone'), await weights('two')];
    expect(two).toHaveLength(alone.length);
    for (const [i, values] of alone.entries())
      for (const [k, value] of values.entries())
        // Single precision's rounding over 40 steps.
        expect(Math.abs(two[i]![k]! - value)).toBeLessThan(1e-5);
    expect(await hashes('interrupted')).toEqual(await hashes('two'));
  }, 240_000);
});

describe('training an autoencoder with two workers', () => {
  it('takes the steps that one takes but for rounding, to the same bytes after a worker was killed', async () => {
    const run = (runs: string, workers: number, env = {}) => {
      const settings = [`runtime.workers=${workers}`, 'stages.autoencoder.logEverySteps=1'];
      const sets = settings.flatMap((setting) => ['--set', setting]);
      return startPipeline(folder, ['run', 'tiny.yaml', '--until', 'autoencoder', ...sets], runs, env);
    };
    const output = (runs: string) => join(folder, runs, 'tiny', 'latest', 'autoencoder');
    const average = (runs: string) =>
      readFile(join(output(runs), 'checkpoints', 'step-000000012', 'average.safetensors'));
    expect((await run('one coder', 1)).exitCode).toBe(0);
    expect((await run('two coders', 2)).exitCode).toBe(0);
    const killed = await run('killed coders', 2, { PIPELINE_KILL_AT: 'began checkpoint#2' });
    expect(killed.stderr).toContain('Worker 0 of 2 (counted from 0) was killed by SIGKILL');
    expect((await run('killed coders', 2)).exitCode).toBe(0);
    expect(await average('killed coders')).toEqual(await average('two coders'));

    const logged = async (runs: string) =>
      (await readFile(join(output(runs), 'metrics.jsonl'), 'utf8'))
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { readonly loss: number; readonly gradientNorm: number });
    const [one, two] = [await logged('one coder'), await logged('two coders')];
    expect(one).toHaveLength(12);
    // Weights that no loss depends on, biases before a normalisation, follow Adam's rounding; losses do not.
    for (const [i, { loss, gradientNorm }] of one.entries()) {
      expect(Math.abs(two[i]!.loss / loss - 1)).toBeLessThan(1e-5);
      expect(Math.abs(two[i]!.gradientNorm / gradientNorm - 1)).toBeLessThan(1e-4);
    }
  }, 240_000);
});

describe('the exchange between the workers of one machine', () => {
  it.skipIf(process.platform !== 'linux')(
    'goes through sockets in a folder that only the user can enter: nobody listens on a port',
    async () => {
      const scratch = join(folder, 'scratch');
      await mkdir(scratch);
      const running = start('watched', 2, { TMPDIR: scratch });
      const ports = new Set<string>();
      const sockets = new Set<string>();
      const modes = new Set<number>();
      while (running.exitCode === null) {
        const { tcp, unix } = listeners(processTree(running.pid!));
        for (const address of tcp) ports.add(address);
        for (const path of unix) sockets.add(path);
        for (const name of await socketFolders(scratch)) {
          const found = await stat(join(scratch, name)).catch(() => undefined);
          if (found !== undefined) modes.add(found.mode & 0o777);
        }
        await sleep(20);
      }
      expect((await running).exitCode).toBe(0);
      expect([...sockets].sort()).toEqual(['00:1', '01:1']);
      expect([...ports]).toEqual([]);
      expect([...modes]).toEqual([0o700]);
      expect(await socketFolders(scratch)).toEqual([]);
    },
    120_000,
  );
});

async function socketFolders(parent: string): Promise<string[]> {
  return (await readdir(parent)).filter((name) => name.startsWith('pipeline-workers-'));
}
