import { cp, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { concat, defer, ignoreElements, lastValueFrom, toArray } from 'rxjs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { distributedExecutor } from '../../src/distributed/execute.js';
import { workerCommand } from '../../src/distributed/worker.js';
import { executeHere } from '../../src/runner/run/expected-reads.js';
import { runPipeline } from '../../src/runner/run/run-pipeline.js';
import { loadPipeline } from '../../src/stages/load.js';
import { stageRegistry } from '../../src/stages/registry.js';
import { digest } from '../support/digest.js';
import { freePorts } from '../support/free-ports.js';
import { nodeProgram } from '../support/programs.js';
import { main, startPipeline, tinyPipeline } from '../support/tiny-pipeline.js';

/** Stages whose work several workers share out, and moments in the work of the last of two workers, and of three. */
const shared = [
  {
    stage: 'latents',
    moments: ['created latents-00002.piece-21.safetensors', 'created latents-00003.piece-30.safetensors'],
  },
] as const;

let folder: string;
const alone = new Map<string, Record<string, string>>();

beforeAll(async () => {
  folder = await tinyPipeline();
  const { exitCode, stderr } = await startPipeline(
    folder,
    ['run', 'tiny.yaml', '--until', 'latents'],
    'alone',
  );
  expect(exitCode, stderr).toBe(0);
  for (const { stage } of shared) alone.set(stage, await digests('alone', stage));
}, 120_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

/** Hashes of what a stage left, by path. */
async function digests(runs: string, stage: string): Promise<Record<string, string>> {
  const output = join(folder, runs, 'tiny', 'latest', stage);
  const found: Record<string, string> = {};
  for (const name of (await readdir(output, { recursive: true })).sort())
    if (name !== 'manifest.json' && (await stat(join(output, name))).isFile())
      found[name] = await digest(join(output, name));
  return found;
}

/** What the stages before `stage` left, as the beginning of another run. */
async function before(stage: string): Promise<string> {
  const runs = await mkdtemp(join(folder, 'runs '));
  await cp(join(folder, 'alone'), runs, { recursive: true, verbatimSymlinks: true });
  const kind = { latents: 'encode' }[stage]!;
  await rm(join(runs, 'store', kind), { recursive: true });
  return runs.slice(folder.length + 1);
}

const start = (runs: string, stage: string, workers: number, env = {}) =>
  startPipeline(
    folder,
    ['run', 'tiny.yaml', '--until', stage, '--set', `stages.${stage}.runtime.workers=${workers}`],
    runs,
    env,
  );

it.each(shared.flatMap(({ stage }) => [2, 3, 8].map((workers) => [stage, workers] as const)))(
  '%s gives the same bytes by %i workers as by one',
  async (stage, workers) => {
    const runs = await before(stage);
    const { exitCode, stdout, stderr } = await start(runs, stage, workers);
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(stdout).toContain(`${stage}: finished`);
    expect(await digests(runs, stage)).toEqual(alone.get(stage));
  },
  120_000,
);

it.each(shared)(
  '$stage goes on where a worker was killed, by other numbers of workers, to the same bytes',
  async ({ stage, moments }) => {
    const runs = await before(stage);
    for (const [i, moment] of moments.entries()) {
      const { exitCode, stderr } = await start(runs, stage, i + 2, { PIPELINE_KILL_AT: moment });
      expect(exitCode).toBe(1);
      expect(stderr).toContain(`Worker ${i + 1} of ${i + 2} (counted from 0) was killed by SIGKILL`);
    }
    expect((await start(runs, stage, 1)).exitCode).toBe(0);
    expect(await digests(runs, stage)).toEqual(alone.get(stage));
  },
  120_000,
);

it.each(shared)(
  '$stage gives the same bytes by the processes of a cluster',
  async ({ stage }) => {
    const runs = await before(stage);
    const ports = await freePorts(3);
    const addresses = [ports[0]!, ports[2]!].map((port) => `127.0.0.1:${port}`);
    const processes = addresses.map((_, index) =>
      start(runs, stage, 1, {
        TF_CONFIG: JSON.stringify({ cluster: { worker: addresses }, task: { type: 'worker', index } }),
      }),
    );
    for (const { exitCode, stdout, stderr } of await Promise.all(processes))
      expect([exitCode, stderr], stdout).toEqual([0, '']);
    expect(await digests(runs, stage)).toEqual(alone.get(stage));
  },
  120_000,
);

it.each(shared)(
  '$stage fails where a file that another worker reads is not the one that was fingerprinted',
  async ({ stage }) => {
    const runs = await before(stage);
    const scratch = await mkdtemp(join(tmpdir(), 'changed '));
    const path = join(folder, 'data', 'triangles', '9.png');
    await cp(path, join(scratch, 'kept'));
    const loaded = await loadPipeline(join(folder, 'tiny.yaml'), {
      set: [`stages.${stage}.runtime.workers=2`],
    });
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.diagnostics));
    const change = () => cp(join(folder, 'data', 'triangles', '8.png'), path);
    const execute = distributedExecutor({
      executable: process.execPath,
      args: [...nodeProgram(main), workerCommand],
    });
    try {
      const events = await lastValueFrom(
        runPipeline({
          pipeline: loaded.pipeline,
          registry: stageRegistry,
          runsRoot: join(folder, runs),
          signal: new AbortController().signal,
          execute: (work) =>
            work.context.id === stage
              ? concat(defer(change).pipe(ignoreElements()), execute(work))
              : executeHere(work),
        }).pipe(toArray()),
      );
      expect(events).toContainEqual(
        expect.objectContaining({
          type: 'stage-failed',
          stage,
          failure: expect.objectContaining({ code: 'input-changed' }) as unknown,
        }),
      );
    } finally {
      await cp(join(scratch, 'kept'), path, { preserveTimestamps: true });
      await rm(scratch, { recursive: true });
    }
  },
  120_000,
);
