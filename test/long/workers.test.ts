import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freePorts } from '../support/free-ports.js';
import { processTree } from '../support/listeners.js';
import { nodeProgram } from '../support/programs.js';

let cwd: string;

beforeEach(async () => {
  cwd = await realpath(await mkdtemp(join(tmpdir(), 'workers ü ')));
  await mkdir(join(cwd, 'data'));
  await writeFile(join(cwd, 'data', 'a.png'), 'a');
});

afterEach(async () => {
  await rm(cwd, { recursive: true, force: true });
});

async function writeYaml(runtime: string, steps = 12): Promise<void> {
  const yaml = `name: toy
runtime: { device: cpu, ${runtime} }
stages:
  images: { uses: images, path: data, size: 32 }
  autoencoder: { uses: autoencoder, images: images, channels: [32, 64], steps: 1, batch: 12 }
  latents: { uses: encode, images: images, autoencoder: autoencoder }
  train:
    uses: train
    latents: latents
    model: { hiddenSize: 32, depth: 1, heads: 1, patchSize: 1, mediators: 4 }
    steps: ${steps}
    globalBatch: 12
`;
  await writeFile(join(cwd, 'toy.yaml'), yaml);
}

/** Starts `pipeline run` in the folder. */
const start = (env: Record<string, string> = {}, ...args: string[]) =>
  execa(process.execPath, [...nodeProgram('test/distributed/toy-main.ts'), 'run', 'toy.yaml', ...args], {
    cwd,
    reject: false,
    env: {
      TOY_SESSIONS: join(cwd, 'sessions'),
      PIPELINE_RUNS: join(cwd, 'runs'),
      CI: '1',
      NO_COLOR: '1',
      ...env,
    },
  });

const output = (name: string): Promise<string> =>
  readFile(join(cwd, 'runs', 'toy', 'latest', 'train', name), 'utf8');

/** The processes whose lines are whole: a file is there before what it holds. */
const pids = async (rank: number): Promise<number[]> =>
  [...(await readFile(join(cwd, `sessions.${rank}`), 'utf8').catch(() => '')).matchAll(/^(\d+)\n/gm)].map(
    ([, pid]) => Number(pid),
  );

/** `T` of a process that is stopped; undefined where there is none, or what has ended waits for its parent to notice. */
function stateOf(pid: number): string | undefined {
  try {
    const [state] = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '');
    return state === 'Z' ? undefined : state;
  } catch {
    return undefined;
  }
}
const isAlive = (pid: number): boolean => stateOf(pid) !== undefined;

async function until(condition: () => boolean | Promise<boolean>, seconds = 30): Promise<void> {
  for (const end = Date.now() + seconds * 1000; Date.now() < end;) {
    if (await condition()) return;
    await sleep(50);
  }
  throw new Error('What was waited for did not happen.');
}

const begun = (rank: number) => async () => (await pids(rank)).length > 0;

describe('workers on this machine', () => {
  it('run a stage together; worker 0 finishes it once the others have done their part', async () => {
    await writeYaml('workers: 3');
    const { exitCode, stdout } = await start({ TOY_MISHAP: 'slow' });
    expect(exitCode).toBe(0);
    expect(await output('all.txt')).toBe('36\n');
    expect(stdout).toMatch(/train: finished in .*, steps 36/);
  });

  it.each([
    ['kill 1', 'Worker 1 of 2 (counted from 0) was killed by SIGKILL'],
    [
      'crash 0',
      'Worker 0 of 2 (counted from 0) ended with exit code 7; the others were stopped.\na last word',
    ],
  ])('end together when one dies (%s), and the cause is told once', async (mishap, message) => {
    await writeYaml('workers: 2', 2000);
    const { exitCode, stderr } = await start({ TOY_MISHAP: mishap });
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`Stage train failed: ${message}`);
    expect(stderr.match(/Worker/g)).toHaveLength(1);
    for (const rank of [0, 1]) for (const pid of await pids(rank)) expect(isAlive(pid)).toBe(false);
  });

  it('tell what all of them failed with as if it were one', async () => {
    await writeYaml('workers: 3', 2000);
    const { exitCode, stderr } = await start({ TOY_MISHAP: 'fail-all' });
    expect(exitCode).toBe(1);
    expect(stderr).toContain('Stage train failed: The toy cannot go on.\n  Wind it up.\n');
    expect(stderr.match(/cannot go on/g)).toHaveLength(1);
  });

  it("show a defect of one with its stack and the worker's number", async () => {
    await writeYaml('workers: 2', 2000);
    const { exitCode, stderr } = await start({ TOY_MISHAP: 'defect 1' });
    expect(exitCode).toBe(1);
    expect(stderr).toContain('Internal error in stage train: A spring is missing. (worker 1)');
    expect(stderr).toContain('toy-main');
  });

  it.each(['kill 0', 'port 0'])(
    'start again after a death or a port that was taken (%s), as often as is allowed',
    async (mishap) => {
      await writeYaml('workers: 2, retries: 1', 60);
      const { exitCode, stdout, stderr } = await start({ TOY_MISHAP: mishap });
      expect(exitCode).toBe(0);
      expect(stdout + stderr).toContain('Starts again in 2 s (1 of 1).');
      expect(await output('all.txt')).toBe('120\n');
      expect(await pids(1)).toHaveLength(2);
    },
  );

  it('stop on an interruption and go on where they were', async () => {
    await writeYaml('workers: 2', 100);
    const running = start();
    await until(begun(1));
    await sleep(300);
    running.kill('SIGINT');
    expect((await running).exitCode).toBe(130);
    for (const rank of [0, 1]) for (const pid of await pids(rank)) expect(isAlive(pid)).toBe(false);
    expect((await start()).exitCode).toBe(0);
    expect(await output('all.txt')).toBe('200\n');
  });

  it('end when the run that started them is killed', async () => {
    await writeYaml('workers: 2', 2000);
    const running = start();
    await until(begun(0));
    await until(begun(1));
    running.kill('SIGKILL');
    await running;
    const all = [...(await pids(0)), ...(await pids(1))];
    await until(() => all.every((pid) => !isAlive(pid)));
  });
});

describe('workers that are stopped', () => {
  it('go on after half a minute, as after Ctrl-Z and fg', async () => {
    await writeYaml('workers: 2', 400);
    const running = start();
    await until(begun(0));
    await until(begun(1));
    await sleep(1_000);
    const all = processTree(running.pid!);
    expect(all.length).toBeGreaterThanOrEqual(3);
    for (const pid of all) process.kill(pid, 'SIGSTOP');
    await sleep(30_000);
    // Whoever judges wakes first.
    for (const pid of all) {
      process.kill(pid, 'SIGCONT');
      await sleep(1_000);
    }
    const { exitCode, stderr } = await running;
    expect(stderr).toBe('');
    expect(exitCode).toBe(0);
    expect(await output('all.txt')).toBe('800\n');
  }, 120_000);

  it('end the run within half a minute where one is frozen before its first progress', async () => {
    await writeYaml('workers: 2', 5_000);
    const running = start({ TOY_MISHAP: 'freeze-first 1' });
    await until(begun(1));
    const frozen = performance.now();
    const { exitCode, stderr } = await running;
    expect(stderr).toContain('Worker 1 of 2 (counted from 0) gives no sign of life any more');
    expect(exitCode).toBe(1);
    expect(performance.now() - frozen).toBeLessThan(30_000);
    for (const rank of [0, 1]) for (const pid of await pids(rank)) expect(isAlive(pid)).toBe(false);
  });

  it.each(['freeze 1', 'block 1'])('are not left behind by a run that is killed (%s)', async (mishap) => {
    await writeYaml('workers: 2', 5_000);
    const running = start({ TOY_MISHAP: mishap });
    await until(begun(0));
    await until(begun(1));
    const all = [...(await pids(0)), ...(await pids(1))];
    if (mishap.startsWith('freeze')) await until(() => all.some((pid) => stateOf(pid) === 'T'));
    else await sleep(2_000);
    running.kill('SIGKILL');
    await running;
    await until(() => all.every((pid) => !isAlive(pid)), 10);
  });
});

describe('processes of a cluster that TF_CONFIG describes', () => {
  async function cluster(steps: number): Promise<(rank: number) => Record<string, string>> {
    await writeYaml('workers: 1', steps);
    // The first process also listens on the port after its own.
    const [port] = (await freePorts(1)) as [number];
    const addresses = [`127.0.0.1:${port}`, `127.0.0.1:${(await freePorts(1))[0]!}`];
    return (rank) => ({
      TF_CONFIG: JSON.stringify({
        cluster: { chief: addresses.slice(0, 1), worker: addresses.slice(1) },
        task: { type: rank === 0 ? 'chief' : 'worker', index: 0 },
      }),
    });
  }

  it('run the file together, whichever is there first', async () => {
    const env = await cluster(12);
    const second = start(env(1));
    await sleep(1_000);
    const [first, follower] = await Promise.all([start(env(0)), second]);
    expect(first.exitCode).toBe(0);
    expect(follower.exitCode).toBe(0);
    expect(follower.stdout).toMatch(
      /^Process 1 of 2 \(TF_CONFIG\): works for process 0 at 127\.0\.0\.1:\d+\.$/,
    );
    expect(await output('all.txt')).toBe('24\n');
  });

  it('end together when one of them dies', async () => {
    const env = await cluster(2000);
    const first = start(env(0));
    const second = start(env(1));
    await until(begun(1));
    second.kill('SIGKILL');
    const { exitCode, stderr } = await first;
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(
      /Stage train failed: Worker 1 of 2 \(counted from 0\) cannot be reached any more: the connection to 127\.0\.0\.1:\d+ broke off/,
    );
    await second;
  });

  it('end together when the first of them dies', async () => {
    const env = await cluster(2000);
    const first = start(env(0));
    const second = start(env(1));
    await until(begun(1));
    first.kill('SIGKILL');
    const { exitCode, stderr } = await second;
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/The connection to process 0 at 127\.0\.0\.1:\d+ broke off/);
    await first;
    const all = await pids(1);
    await until(() => all.every((pid) => !isAlive(pid)));
  });

  it('are all interrupted when one of them is', async () => {
    const env = await cluster(2000);
    const first = start(env(0));
    const second = start(env(1));
    await until(begun(1));
    await until(begun(0));
    second.kill('SIGTERM');
    expect((await first).exitCode).toBe(130);
    expect((await second).exitCode).toBe(130);
  });

  it('end at once when they are interrupted while they wait for the first', async () => {
    const env = await cluster(12);
    const running = start(env(1));
    await new Promise((resolve) => running.stdout.once('data', resolve));
    running.kill('SIGTERM');
    const { exitCode, stderr } = await running;
    expect(stderr).toBe('');
    expect(exitCode).toBe(130);
  });

  it('are all told when the file is invalid', async () => {
    const env = await cluster(12);
    await writeFile(join(cwd, 'toy.yaml'), 'name: toy\nstages: {}\n');
    const [first, second] = await Promise.all([start(env(0)), start(env(1))]);
    expect(first.exitCode).toBe(2);
    expect(second.exitCode).toBe(2);
  });
});
