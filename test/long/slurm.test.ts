import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { nodeProgram } from '../support/programs.js';
import { type Slurm, startSlurm, whyNoSlurm } from '../support/slurm.js';
import { main, startPipeline, tinyPipeline, untilCheckpoint } from '../support/tiny-pipeline.js';

const missing = whyNoSlurm();
let slurm: Slurm | undefined;

beforeAll(async () => {
  if (missing === undefined) slurm = await startSlurm();
});
afterAll(() => slurm?.stop());

/** What the job file of docs/clusters does, with two tasks on the one node that there is. */
const options = ['--ntasks=2', '--distribution=block', '--kill-on-bad-exit=1', '--label'];

it('tasks that srun starts train together; Slurm’s SIGTERM has them save, and the same job goes on', async ({
  skip,
}) => {
  if (missing !== undefined) skip(missing);
  const folder = await tinyPipeline();
  const env = { ...slurm!.env, PIPELINE_RUNS: join(folder, 'slurm'), NO_COLOR: '1', CI: '1' };
  const submit = () =>
    execa(
      'srun',
      [...options, process.execPath, ...nodeProgram(main), 'run', 'tiny.yaml', '--until', 'train'],
      {
        ...{ cwd: folder, env, reject: false, all: true },
      },
    );
  try {
    const interrupted = submit();
    const ended = interrupted.then(({ all }) => Promise.reject(new Error(`It ended too early.\n${all}`)));
    await Promise.race([untilCheckpoint(env.PIPELINE_RUNS), ended]);
    ended.catch(() => undefined);
    const { stdout: job } = await execa('squeue', ['--noheader', '--format=%A'], { env });
    await execa('scancel', ['--signal=TERM', job.trim()], { env });
    const first = await interrupted;
    expect(first.exitCode, first.all).toBe(130);
    expect(first.all).toMatch(/^0: .*Interrupted in train/m);
    const second = await submit();
    expect(second.exitCode, second.all).toBe(0);
    expect(second.all).toMatch(/^0: .*Continues from step/m);
    expect(second.all).toMatch(/^1: Process 1 of 2 \(Slurm\): works for process 0/m);

    const alone = await startPipeline(folder, ['run', 'tiny.yaml', '--until', 'train'], 'alone');
    expect(alone.exitCode, alone.stderr).toBe(0);
    const [together, single] = await Promise.all(
      ['slurm', 'alone'].map((runs) => losses(join(folder, runs))),
    );
    // Sums over two halves of a batch, in single precision, for 40 steps.
    expect(together).toBeAllclose(single!, { relative: 1e-4 });
  } finally {
    await rm(folder, { recursive: true });
  }
});

async function losses(runs: string): Promise<number[]> {
  const text = await readFile(join(runs, 'tiny', 'latest', 'train', 'metrics.jsonl'), 'utf8');
  const lines = text.trim().split('\n');
  return lines.map((line) => (JSON.parse(line) as { loss: number }).loss);
}
