import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { lastValueFrom, Subject } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startLocalWorker } from '../../src/distributed/local-worker.js';
import { supervise, usualPatience } from '../../src/distributed/supervise.js';
import type { FromWorker, Worker, WorkerTask } from '../../src/distributed/worker.js';
import { nodeProgram } from '../support/programs.js';
import { runtimeConfig } from '../support/runtime-config.js';

const program = {
  executable: process.execPath,
  args: [...nodeProgram('test/distributed/toy-main.ts'), 'worker'],
};

let folder: string;

beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'supervise-')));
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const task = (rank: number): WorkerTask => ({
  kind: 'train',
  config: { steps: 100_000 },
  id: 'train',
  pipelineName: 'toy',
  pipelineDirectory: folder,
  seed: 0,
  runtime: runtimeConfig({ workers: 2, threads: 1 }),
  directory: folder,
  inputs: [],
  rank,
  addresses: ['127.0.0.1:1', '127.0.0.1:2'],
});

/** Two workers that say what their subjects are given, and end when they are killed. */
function silentWorkers() {
  const messages = [0, 1].map(() => new Subject<FromWorker>());
  const workers = messages.map((each, rank): Worker => ({
    rank,
    messages: each,
    ended: new Promise((resolve) => {
      each.subscribe({
        complete: () => {
          resolve({ how: 'ended', lastWords: '' });
        },
      });
    }),
    send: () => undefined,
    kill: () => {
      each.complete();
    },
  }));
  return { messages, workers };
}

describe('a worker that hangs', () => {
  it('is found out by its silence, and all are ended', async () => {
    const env = { TOY_MISHAP: 'freeze 1', TOY_SESSIONS: join(folder, 'sessions') };
    const workers = [0, 1].map((rank) => startLocalWorker(program, rank, env));
    for (const worker of workers) worker.send({ type: 'work', task: task(worker.rank) });
    // Signs of life come every 2 s.
    const patience = { ...usualPatience, silenceMs: 5_000 };
    await expect(
      lastValueFrom(supervise(workers, new AbortController().signal, patience)),
    ).rejects.toMatchObject({
      code: 'worker-hangs',
      message: 'Worker 1 of 2 (counted from 0) gives no sign of life any more; the others were stopped.',
    });
    const ends = await Promise.all(workers.map(({ ended }) => ended));
    for (const { how } of ends) expect(how).toContain('SIGKILL');
  });

  it('would be found out within half a minute', () => {
    expect(usualPatience.silenceMs + usualPatience.causeMs).toBeLessThan(30_000);
  });

  it('is none that the others have left alone with a long call', async () => {
    const { messages, workers } = silentWorkers();
    const tell = (rank: number, message: FromWorker) => {
      messages[rank]!.next(message);
    };
    const patience = { ...usualPatience, silenceMs: 1_200, endMs: 10 };
    const result = lastValueFrom(supervise(workers, new AbortController().signal, patience));
    const event = { type: 'progress', done: 1, total: 2, unit: 'steps' } as const;
    for (const rank of [0, 1]) tell(rank, { type: 'event', event });
    tell(1, { type: 'done' });
    // It pulses, and attends to nothing else.
    const pulse = setInterval(() => {
      tell(0, { type: 'pulse' });
    }, 200);
    await sleep(5_500);
    clearInterval(pulse);
    tell(0, { type: 'done' });
    expect(await result).toEqual(event);
  });

  it.each([
    ['tells nothing', [], 'workers-stalled'],
    [
      'tells what takes long',
      [{ type: 'event', event: { type: 'notice', level: 'info', message: 'Half of it.' } } as const],
      undefined,
    ],
  ])('is one that lives and %s for long', async (_, said, code) => {
    const { messages, workers } = silentWorkers();
    const patience = { ...usualPatience, stallMs: 2_000, endMs: 10 };
    const result = lastValueFrom(supervise(workers, new AbortController().signal, patience)).catch(
      (error: unknown) => error,
    );
    const living = setInterval(() => {
      for (const each of messages) for (const type of ['pulse', 'alive'] as const) each.next({ type });
      for (const message of said) messages[0]!.next(message);
    }, 200);
    await sleep(4_000);
    clearInterval(living);
    for (const each of messages) each.next({ type: 'done' });
    const found = await result;
    expect((found as { code?: string }).code === code).toBe(true);
  });
});
