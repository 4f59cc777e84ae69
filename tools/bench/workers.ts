import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { nativeBackend, socketAddresses, WorkerServer } from '../../src/tensorflow/index.js';
import { invalidOption, wholeOption } from './command-line.js';
import { namedModel } from './model.js';
import { trainStep, type Work } from './workload.js';

/**
 * Measures training with several workers on this machine: one global batch, divided between 1, 2, 4 processes, each with
 * its part of the cores.
 *
 *   npm run bench:workers -- [--workers 1,2,4] [--model SiT-S/2] [--mediators 64] [--latent 32] [--batch 8] [--steps 6]
 *
 * Each process first takes steps by itself, at the same time as the others, then with them: what the step is longer for it
 * is what averaging gradients over workers takes.
 */

const { values } = parseArgs({
  options: {
    workers: { type: 'string', default: '1,2,4' },
    model: { type: 'string', default: 'SiT-S/2' },
    mediators: { type: 'string', default: '64' },
    latent: { type: 'string', default: '32' },
    batch: { type: 'string', default: '8' },
    steps: { type: 'string', default: '6' },
  },
});
const globalBatch = wholeOption('--batch', values.batch);
const steps = wholeOption('--steps', values.steps);

/** Message between the parent and a worker. */
interface Part {
  readonly rank: number;
  readonly addresses: readonly string[];
}
interface Times {
  readonly aloneSeconds: number;
  readonly togetherSeconds: number;
}

if (process.send === undefined) await main();
else await work();

async function main(): Promise<void> {
  const cores = availableParallelism();
  const { model, mediators, latent } = values;
  console.log(
    `${model}, ${mediators} mediators, latents of ${latent}, global batch ${globalBatch}, ${cores} cores`,
  );
  console.log('workers  images/s  s a step  in collectives  of 1 worker');
  let first: number | undefined;
  for (const size of values.workers.split(',').map((text) => wholeOption('--workers', text))) {
    if (size === 0 || globalBatch % size !== 0)
      throw invalidOption('--workers', `numbers that divide a batch of ${globalBatch}`, size);
    const { aloneSeconds, togetherSeconds } = await measure(size);
    const rate = globalBatch / togetherSeconds;
    first ??= rate;
    const share = size === 1 ? 0 : Math.max(0, 1 - aloneSeconds / togetherSeconds);
    const cells = [
      String(size).padStart(7),
      rate.toFixed(2).padStart(8),
      togetherSeconds.toFixed(2).padStart(8),
      `${(100 * share).toFixed(0)} %`.padStart(14),
      `${(rate / first).toFixed(2)} ×`.padStart(11),
    ];
    console.log(cells.join('  '));
  }
}

/** The slowest worker's times: the others wait for it. */
async function measure(size: number): Promise<Times> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-workers-'));
  const addresses = socketAddresses(folder, size);
  const workers = addresses.map(() => fork(process.argv[1]!, process.argv.slice(2)));
  try {
    await Promise.all(workers.map(answerOf));
    for (const [rank, worker] of workers.entries()) worker.send({ rank, addresses } satisfies Part);
    await Promise.all(workers.map(answerOf));
    for (const worker of workers) worker.send('go');
    const times = (await Promise.all(workers.map(answerOf))) as Times[];
    const slowest = (key: keyof Times) => Math.max(...times.map((each) => each[key]));
    return { aloneSeconds: slowest('aloneSeconds'), togetherSeconds: slowest('togetherSeconds') };
  } finally {
    for (const worker of workers) worker.kill();
    await rm(folder, { recursive: true });
  }
}

async function answerOf(worker: ChildProcess): Promise<unknown> {
  const ended = once(worker, 'exit').then(([code]) => {
    throw new Error(`A worker ended with exit code ${String(code)}.`);
  });
  const [answer] = (await Promise.race([once(worker, 'message'), ended])) as [unknown];
  return answer;
}

async function work(): Promise<void> {
  const told = once(process, 'message');
  process.send!('here');
  const [{ rank, addresses }] = (await told) as [Part];
  const threads = Math.max(1, Math.floor(availableParallelism() / addresses.length));
  const runtime = { threads };
  nativeBackend(runtime);
  const model = namedModel(
    values.model,
    wholeOption('--mediators', values.mediators),
    wholeOption('--latent', values.latent),
  );
  const workload = { model, batch: globalBatch / addresses.length, runtime };
  const alone = await trainStep(workload);
  await alone.run();
  const go = once(process, 'message');
  process.send!('ready');
  await go;
  const aloneSeconds = await secondsOf(alone);
  await alone.session.close();
  if (addresses.length === 1) {
    process.send!({ aloneSeconds, togetherSeconds: aloneSeconds } satisfies Times);
    return;
  }
  const together = await trainStep({ ...workload, server: new WorkerServer({ rank, addresses }, runtime) });
  await together.run();
  process.send!({ aloneSeconds, togetherSeconds: await secondsOf(together) } satisfies Times);
}

/** Seconds of a step, the mean of a few. */
async function secondsOf(work: Work): Promise<number> {
  const started = performance.now();
  for (let step = 0; step < steps; step++) await work.run();
  return (performance.now() - started) / 1000 / steps;
}
