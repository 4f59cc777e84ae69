import { execa } from 'execa';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { type Slurm, startSlurm, whyNoSlurm } from '../../support/slurm.js';
import { eventsOf, ToySweep } from './toy-sweep.js';

const missing = whyNoSlurm();
let slurm: Slurm | undefined;

// sbatch asks how a job is at intervals of up to ten seconds.
vi.setConfig({ testTimeout: 180_000 });

beforeAll(async () => {
  if (missing === undefined) slurm = await startSlurm();
});
afterAll(() => slurm?.stop());

const sweep = (toy: ToySweep, args: readonly string[], env = {}) =>
  toy.start(['sweep', 'toy.yaml', '--slurm', ...args], { ...slurm?.env, ...env });

it('submits each trial as a Slurm job, and follows it to its end', async ({ skip }) => {
  if (missing !== undefined) skip(missing);
  const toy = await ToySweep.create('{ grid: { stages.train.steps: [5, 6] } }');
  await toy.break('train', 1);
  const { stdout, exitCode } = await sweep(toy, ['--json', '--keep-going', '--sbatch=--comment=of the test']);
  const events = eventsOf(stdout);
  expect(exitCode).toBe(1);
  const jobs = events.flatMap((event) => (event.type === 'trial-submitted' ? [event.job] : []));
  expect(jobs).toHaveLength(2);
  const job = await execa('scontrol', ['show', 'job', jobs[0]!], { env: slurm!.env });
  expect(job.stdout).toMatch(/Comment=of the test/);
  expect((await toy.results()).map(({ status }) => status).sort()).toEqual(['failed', 'finished']);
  expect(await toy.sessions()).toMatchObject({ 'autoencoder start': 1, 'train start': 2, 'report start': 1 });
});

it('interrupts jobs that run and cancels those that wait', async ({ skip }) => {
  if (missing !== undefined) skip(missing);
  const toy = await ToySweep.create('{ grid: { stages.train.steps: [100, 101, 102] } }');
  const running = sweep(toy, ['--sbatch=--cpus-per-task=2'], { TOY_STEP_MS: '100' });
  await toy.untilTraining(running, 1);
  running.kill('SIGINT');
  const { exitCode, stdout } = await running;
  expect(exitCode).toBe(130);
  expect(stdout).toContain('Interrupted: 3 left.');
  const queue = await execa('squeue', ['--noheader', '--states=RUNNING,PENDING'], { env: slurm!.env });
  expect(queue.stdout).toBe('');
  expect((await toy.sweep('--parallel', '3')).exitCode).toBe(0);
  expect(await toy.sessions()).toMatchObject({ 'train start': 3, 'train continue': 1 });
});

it('says that a cluster refuses a job, and that there is none', async ({ skip }) => {
  const toy = await ToySweep.create('{ grid: { stages.train.steps: [5] } }');
  const none = await sweep(toy, [], { PATH: '/nowhere' });
  expect(none.exitCode).toBe(1);
  expect(none.stderr).toContain('sbatch was not found');
  if (missing !== undefined) skip(missing);
  const refused = await sweep(toy, ['--sbatch=--partition=elsewhere']);
  expect(refused.exitCode).toBe(1);
  expect(refused.stdout).toMatch(/refused by sbatch: .*partition/i);
});
