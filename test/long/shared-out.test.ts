import { appendFile, cp, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { concat, defer, ignoreElements, lastValueFrom, toArray } from 'rxjs';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { distributedExecutor } from '../../src/distributed/execute.js';
import { workerCommand } from '../../src/distributed/worker.js';
import { writeNpz } from '../../src/formats/npz.js';
import { executeHere } from '../../src/runner/run/expected-reads.js';
import { runPipeline } from '../../src/runner/run/run-pipeline.js';
import { workName } from '../../src/stages/evaluate/figures.js';
import { loadPipeline } from '../../src/stages/load.js';
import { stageRegistry } from '../../src/stages/registry.js';
import { locateLibrary } from '../../src/tensorflow/install/locate.js';
import { digest } from '../support/digest.js';
import { freePorts } from '../support/free-ports.js';
import { nodeProgram } from '../support/programs.js';
import { tinyInception } from '../support/tiny-inception.js';
import { main, startPipeline, tinyPipeline } from '../support/tiny-pipeline.js';

/** Stages whose work several workers share out, and moments in the work of the last of two workers, and of three. */
const shared = [
  {
    stage: 'latents',
    moments: ['created latents-00002.piece-21.safetensors', 'created latents-00003.piece-30.safetensors'],
  },
  { stage: 'evaluate', moments: ['computed features 30', 'computed features 35'] },
] as const;

// Every figure that is of features, of 40 samples against 36 images.
const evaluate = `
  evaluate:
    uses: evaluate
    samplesFile: samples.npz
    reference: images
    metrics: [latentFrechetDistance, fid, sfid, inceptionScore, precisionRecall]
    autoencoder: autoencoder
    inceptionFile: graph.pb
    batch: 5
`;
/** The library stays where it is; features go elsewhere, for each process. */
const library = { PIPELINE_TENSORFLOW: dirname(locateLibrary()!.cc) };
let caches = 0;

let folder: string;
const alone = new Map<string, Record<string, string>>();

beforeAll(async () => {
  folder = await tinyPipeline();
  await appendFile(join(folder, 'tiny.yaml'), evaluate);
  await writeFile(join(folder, 'graph.pb'), tinyInception());
  const data = Uint8Array.from({ length: 40 * 16 * 16 * 3 }, (_, i) => Math.imul(i + 7, 2654435761) >>> 24);
  await writeNpz(join(folder, 'samples.npz'), [{ name: 'arr_0', dtype: 'u1', shape: [40, 16, 16, 3], data }]);
  for (const { stage } of shared) {
    const { exitCode, stderr } = await start('alone', stage, 1);
    expect(exitCode, stderr).toBe(0);
    alone.set(stage, await digests('alone', stage));
  }
}, 120_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

/** Hashes of what a stage left, by path; without the record of its time, which one process alone leaves. */
async function digests(runs: string, stage: string): Promise<Record<string, string>> {
  const output = join(folder, runs, 'tiny', 'latest', stage);
  const found: Record<string, string> = {};
  for (const name of (await readdir(output, { recursive: true })).sort())
    if (!['manifest.json', workName].includes(name) && (await stat(join(output, name))).isFile())
      found[name] = await digest(join(output, name));
  return found;
}

/** What the stages before `stage` left, as the beginning of another run. */
async function before(stage: string): Promise<string> {
  const runs = await mkdtemp(join(folder, 'runs '));
  await cp(join(folder, 'alone'), runs, { recursive: true, verbatimSymlinks: true });
  const kind = { latents: 'encode' }[stage] ?? stage;
  await rm(join(runs, 'store', kind), { recursive: true });
  return runs.slice(folder.length + 1);
}

const start = (runs: string, stage: string, workers: number, env = {}) =>
  startPipeline(
    folder,
    ['run', 'tiny.yaml', '--until', stage, '--set', `stages.${stage}.runtime.workers=${workers}`],
    runs,
    { ...library, PIPELINE_CACHE: join(folder, `cache ${caches++}`), ...env },
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
  '$stage gives the same bytes by the processes of a cluster, of which one was killed',
  async ({ stage, moments }) => {
    const runs = await before(stage);
    const [first, , second] = await freePorts(3);
    const worker = [first, second].map((port) => `127.0.0.1:${port!}`);
    const together = (killAt?: string) =>
      Promise.all(
        worker.map((_, index) =>
          // Their number takes the place of the stage's.
          start(runs, stage, 1, {
            TF_CONFIG: JSON.stringify({ cluster: { worker }, task: { type: 'worker', index } }),
            ...(index === 1 && killAt !== undefined && { PIPELINE_KILL_AT: killAt }),
          }),
        ),
      );
    const [killed] = await together(moments[0]);
    expect(killed!.stderr).toContain('Worker 1 of 2 (counted from 0) was killed by SIGKILL');
    for (const { exitCode, stdout, stderr } of await together())
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
    for (const [name, value] of Object.entries({
      ...library,
      PIPELINE_CACHE: join(folder, `cache ${caches++}`),
    }))
      vi.stubEnv(name, value);
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
      vi.unstubAllEnvs();
      await cp(join(scratch, 'kept'), path, { preserveTimestamps: true });
      await rm(scratch, { recursive: true });
    }
  },
  120_000,
);
