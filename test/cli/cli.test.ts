import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { beforeEach, describe, expect, it } from 'vitest';
import { sealJson, unsealJson } from '../../src/base/sealed.js';
import { environmentVariables } from '../../src/base/environment-variables.js';
import type { TimedRunEvent } from '../../src/runner/run/events.js';
import { nodeProgram } from '../support/programs.js';

const realMain = 'src/cli/main.ts';
const toyMain = 'test/cli/toy-main.ts';

let cwd: string;

const yaml = (steps: number): string => `name: toy
stages:
  images: { uses: images, path: data, size: 32 }
  autoencoder: { uses: autoencoder, images: images, channels: [32, 64, 96], steps: ${steps} }
  report: { uses: report, stages: [images, autoencoder] }
`;

beforeEach(async () => {
  cwd = await realpath(await mkdtemp(join(tmpdir(), 'cli test ü ')));
  await mkdir(join(cwd, 'data'));
  await writeFile(join(cwd, 'data', 'a.png'), 'a');
  await writeFile(join(cwd, 'toy.yaml'), yaml(3));
});

const start = (main: string, args: readonly string[], env: Record<string, string> = {}) =>
  execa(process.execPath, [...nodeProgram(main), ...args], {
    cwd,
    reject: false,
    env: { TOY_SESSIONS: join(cwd, 'sessions'), CI: '', PIPELINE_RUNS: '', NO_COLOR: '1', ...env },
  });
const pipeline = (...args: string[]) => start(toyMain, args);
const sessions = async (): Promise<string[]> =>
  (await readFile(join(cwd, 'sessions'), 'utf8')).trim().split('\n');
const events = (stdout: string): TimedRunEvent[] =>
  stdout.split('\n').map((line) => JSON.parse(line) as TimedRunEvent);

/** Resolves once the autoencoder has written `steps` steps. */
async function untilStep(running: { readonly exitCode: number | null }, steps: number): Promise<void> {
  const folder = join(cwd, 'runs', 'store', 'autoencoder');
  while (running.exitCode === null) {
    const partial = (existsSync(folder) ? await readdir(folder) : []).find((name) =>
      name.endsWith('.partial'),
    );
    const text = partial && (await readFile(join(folder, partial, 'steps.txt'), 'utf8').catch(() => ''));
    if (text && text.split('\n').length > steps) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error('The run ended too early.');
}

/** Everything that the autoencoder wrote, which must not depend on what was interrupted. */
async function stepsWritten(): Promise<string> {
  return readFile(join(cwd, 'runs', 'toy', 'latest', 'autoencoder', 'steps.txt'), 'utf8');
}
const uninterrupted = (steps: number): string =>
  Array.from({ length: steps }, (_, i) => `step ${i}\n`).join('');

describe('pipeline validate', () => {
  it('says that a file is valid', async () => {
    const { stdout, exitCode } = await start(realMain, ['validate', 'toy.yaml']);
    expect([exitCode, stdout]).toEqual([0, 'toy.yaml: valid, 3 stages']);
  });
  it('exits with 2 and shows what is wrong with each file', async () => {
    await writeFile(join(cwd, 'bad.yaml'), yaml(3).replace('images: images', 'images: imagse'));
    const { stdout, stderr, exitCode } = await start(realMain, [
      'validate',
      'bad.yaml',
      'toy.yaml',
      'none.yaml',
    ]);
    expect(exitCode).toBe(2);
    expect(stdout).toBe('toy.yaml: valid, 3 stages');
    expect(stderr).toMatch(/^bad\.yaml:4:\d+ error /m);
    expect(stderr).toContain('none.yaml error file-missing: There is no such file.');
  });

  it('names the current folder where that is given for a file', async () => {
    const { stderr } = await start(realMain, ['validate', '.']);
    expect(stderr).toMatch(/^\. error file-is-folder: /);
  });
});

describe('pipeline doctor', () => {
  it('says nothing of an engine that is not there', async () => {
    const { stdout, exitCode } = await start(realMain, ['doctor'], { PIPELINE_CACHE: join(cwd, 'none') });
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/^TensorFlow +not set up/m);
    expect(stdout).toMatch(/^Engine +none$/m);
    expect(stdout).not.toContain('bfloat16');
  });

  it('names a folder of runs that nothing can be written to', async () => {
    const { stdout, exitCode } = await start(realMain, ['doctor', '--runs', 'toy.yaml/runs'], {});
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/^missing: .*toy\.yaml: a part of this path is a file, not a folder/m);
  });
});

describe('usage', () => {
  it.each([
    [['run'], 'missing required argument'],
    [['rnu', 'toy.yaml'], 'Did you mean run?'],
    [['run', 'toy.yaml', '--forse', 'x'], 'Did you mean --force?'],
    [['plan', 'toy.yaml', '--until', 'imagse'], 'Did you mean images?'],
    [['run', 'toy.yaml', '--force', 'imagse'], 'Did you mean images?'],
    [['plan', 'toy.yaml', '--resolved', '--until', 'images'], "cannot be used with option '--until"],
    [['status', '--watch', '--json'], "cannot be used with option '--json'"],
    [['status', '--watch'], '--watch would change nothing: what it draws over and over needs a terminal'],
  ])('that is wrong exits with 2: %j', async (args, message) => {
    const { stderr, exitCode } = await pipeline(...args);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(message);
    expect(stderr).not.toContain('    at ');
    expect(existsSync(join(cwd, 'runs'))).toBe(false);
  });
  it('is explained with exit code 0', async () => {
    const { stdout, exitCode } = await pipeline('--help');
    expect(exitCode).toBe(0);
    for (const command of ['run', 'validate', 'plan', 'doctor']) expect(stdout).toContain(`  ${command} `);
  });
});

describe('pipeline plan and run', () => {
  it('end with a command that finds the run, wherever it is', async () => {
    const { stdout } = await pipeline('run', 'toy.yaml', '--until', 'images', '--runs', 'other runs');
    const next = /^Next: write a page: npx pipeline (.*)$/m.exec(stdout)?.[1];
    expect(next).toBe("report toy --runs 'other runs'");
    const report = await pipeline('report', 'toy', '--runs', 'other runs');
    expect([report.exitCode, report.stderr]).toEqual([0, '']);
  });

  it('give plain lines when not on a terminal, and explain a change', async () => {
    const first = await pipeline('run', 'toy.yaml');
    const lines = first.stdout
      .replace(/\d{4}-\d\d-\d\dT[\d-]+\.\d+Z/, 'TIME')
      .replaceAll(/\d+\.\d s/g, 'N s')
      .replace(/[\da-f]{16}/, 'FINGERPRINT');
    expect(first.exitCode).toBe(0);
    expect(lines).toBe(`toy: 3 stages on the processor, run runs/toy/TIME
images: starts (never run)
images: finished in N s, images 1
autoencoder: starts (never run)
autoencoder: finished in N s, loss 0.3333, steps 3
report: starts (never run)
report: finished in N s
Done in N s: 3 stages run.
Lock: toy.lock.yaml
Report: runs/store/report/FINGERPRINT/index.html
Next: open the page above`);
    const plan = await pipeline('plan', 'toy.yaml', '--set', 'stages.autoencoder.steps=5');
    expect([plan.exitCode, plan.stdout.replaceAll(/\d+\.\d s/g, 'N s')]).toEqual([
      0,
      `toy toy.yaml

images       cached  N s · images 1
autoencoder  runs    stages.autoencoder.steps: 3 → 5
                     steps: 5
report       runs    upstream: autoencoder changed

2 of 3 stages to run.`,
    ]);
    const again = await pipeline('run', 'toy.yaml', '--json');
    expect(events(again.stdout).map(({ type }) => type)).toEqual([
      'reading-inputs',
      'run-started',
      'stage-cached',
      'stage-cached',
      'stage-cached',
      'run-finished',
    ]);
  });

  it.each([
    [['run', 'toy.yaml', '--runs='], "'--runs <folder>' has an empty value"],
    [['plan', 'toy.yaml', '--until', ''], "'--until <stage>' has an empty value"],
    [['plan', 'toy.yaml', '--force='], "'--force <stage>' has an empty value"],
    [['validate', 'toy.yaml', ''], "'file' has an empty value"],
    [['plan', 'toy.yaml', '--until', 'images', '--until=report'], "'--until <stage>' is given twice"],
    [['run', 'toy.yaml', '--profile=1', '--profile=1'], "'--profile <steps>' is given twice"],
    [['status', '--runs=~/runs'], "Write '$HOME/runs'"],
    [['calibrate', 'toy.yaml'], 'has no sample stage with phases'],
    [['import', 'nothing.pt', 'out'], 'nothing.pt'],
    [['sweep', 'toy.yaml'], 'has no `sweep`'],
  ])('refuse what cannot be meant with 2: %s', async (args, told) => {
    const { exitCode, stderr } = await pipeline(...args);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining(told)]);
    expect(existsSync(join(cwd, 'runs'))).toBe(false);
  });

  it('refuse an invalid file with 2 before anything runs', async () => {
    const { exitCode } = await pipeline('run', 'toy.yaml', '--set', 'stages.autoencoder.steps=many');
    expect(exitCode).toBe(2);
    expect(existsSync(join(cwd, 'runs'))).toBe(false);
  });

  it('tell a failure once, with its remedy and log, and exit with 1', async () => {
    await writeFile(join(cwd, 'empty.yaml'), yaml(3).replace('path: data', 'path: empty'));
    await mkdir(join(cwd, 'empty'));
    const { exitCode, stdout, stderr } = await pipeline('run', 'empty.yaml');
    expect(exitCode).toBe(1);
    expect(stderr.replace(/toy\/[^/]*Z/, 'toy/TIME'))
      .toBe(`Stage images failed: empty: expected images, found none.
  Put images there.
  Log: runs/toy/TIME/images.log`);
    expect(stdout).not.toContain('expected images');
  });

  it('name a folder of runs that is in the way, without a stack', async () => {
    await writeFile(join(cwd, 'file'), '');
    const { exitCode, stderr } = await pipeline('run', 'toy.yaml', '--runs', 'file');
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^error: .*\/file.*: expected a folder for runs, found a file\.\n {2}Move/);
    expect(stderr).not.toContain('    at ');
  });
});

it('says which variable of the environment it does not know before it works, and completes without a word', async () => {
  const env = {
    PIPELINE_BACKND: 'wasm',
    PIPELINE_GPU: '1',
    pipeline_runs: 'x',
    PIPELINE_WORKSPACE: '/agent',
  };
  const { stdout, stderr, exitCode } = await start(toyMain, ['validate', 'toy.yaml'], env);
  expect([exitCode, stdout]).toEqual([0, 'toy.yaml: valid, 3 stages']);
  const unknown = (name: string, hint: string) =>
    `warning: The environment sets ${name}, which this program does not read. ${hint}`;
  expect(stderr.split('\n')).toEqual([
    unknown('PIPELINE_BACKND', 'Did you mean PIPELINE_BACKEND?'),
    unknown('PIPELINE_GPU', `There are: ${environmentVariables.join(', ')}.`),
    unknown('pipeline_runs', 'Did you mean PIPELINE_RUNS?'),
  ]);
  expect((await start(toyMain, ['complete', '--', 'pipeline', 'val'], env)).stderr).toBe('');
});

describe('an interrupted run', () => {
  const steps = 120;
  beforeEach(async () => {
    await writeFile(join(cwd, 'toy.yaml'), yaml(steps));
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('stops cleanly with 130 on %s, and continues', async (signal) => {
    const running = start(toyMain, ['run', 'toy.yaml'], { TOY_STEP_MS: '10' });
    await untilStep(running, 5);
    running.kill(signal);
    const { exitCode, stdout } = await running;
    expect(exitCode).toBe(130);
    expect(stdout).toMatch(/\nInterrupted in autoencoder\. Run the same command to continue\.$/);
    const second = await pipeline('run', 'toy.yaml');
    expect(second.exitCode).toBe(0);
    expect(second.stdout).toContain('autoencoder: continues (never run)');
    expect(await sessions()).toEqual([
      'images start',
      'autoencoder start',
      'autoencoder continue',
      'report start',
    ]);
    expect(await stepsWritten()).toBe(uninterrupted(steps));
  });

  it('continues after kill -9, and a run that waited for the dead one takes over', async () => {
    // So slow that the other surely starts before it is done.
    const running = start(toyMain, ['run', 'toy.yaml'], { TOY_STEP_MS: '500' });
    await untilStep(running, 2);
    const waiting = start(toyMain, ['run', 'toy.yaml', '--json']);
    await new Promise<void>((resolve) => {
      let text = '';
      waiting.stdout.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        if (text.includes('stage-waiting')) resolve();
      });
    });
    running.kill('SIGKILL');
    expect((await running).signal).toBe('SIGKILL');
    const { exitCode, stdout } = await waiting;
    expect(exitCode).toBe(0);
    const wait = events(stdout).find((event) => event.type === 'stage-waiting');
    expect(wait).toMatchObject({ stage: 'autoencoder', holder: { pid: running.pid } });
    expect(await sessions()).toEqual([
      'images start',
      'autoencoder start',
      'autoencoder continue',
      'report start',
    ]);
    expect(await stepsWritten()).toBe(uninterrupted(steps));
  });

  it.each(['SIGINT', 'SIGKILL'] as const)(
    'continues what it was forced to make again, after %s',
    async (signal) => {
      expect((await pipeline('run', 'toy.yaml')).exitCode).toBe(0);
      await rm(join(cwd, 'sessions'));
      const forced = ['toy.yaml', '--force', 'images'];
      const running = start(toyMain, ['run', ...forced], { TOY_STEP_MS: '10' });
      await untilStep(running, 5);
      running.kill(signal);
      await running;
      const plan = (await pipeline('plan', ...forced)).stdout.replaceAll(/\d+\.\d s/g, 'N s');
      expect(plan.replace(/\S+Z/, 'TIME')).toContain(`
images       cached  N s · images 1
                     forced on TIME, and made again since
autoencoder  runs    forced, with images
                     continues an interrupted session of N s
                     steps: 120
report       runs    forced, with images`);
      // Asked for otherwise, it is another run.
      expect((await pipeline('plan', 'toy.yaml', '--force', 'autoencoder')).stdout).not.toContain(
        'continues',
      );

      const second = start(toyMain, ['run', ...forced], { TOY_STEP_MS: '10' });
      await untilStep(second, 20);
      second.kill(signal);
      await second;
      expect((await pipeline('run', ...forced)).exitCode).toBe(0);
      expect(await sessions()).toEqual([
        'images start',
        'autoencoder start',
        'autoencoder continue',
        'autoencoder continue',
        'report start',
      ]);
      expect(await stepsWritten()).toBe(uninterrupted(steps));

      // The forced run has come to its end: the next one makes all of it again.
      expect((await pipeline('run', ...forced)).exitCode).toBe(0);
      expect((await sessions()).slice(5)).toEqual(['images start', 'autoencoder start', 'report start']);
    },
  );

  it('forces anew what another run has finished since', async () => {
    const forced = ['toy.yaml', '--force', 'autoencoder'];
    const running = start(toyMain, ['run', ...forced], { TOY_STEP_MS: '10' });
    await untilStep(running, 5);
    running.kill('SIGINT');
    await running;
    expect((await pipeline('run', 'toy.yaml')).exitCode).toBe(0);
    expect((await pipeline('plan', ...forced)).stdout).toMatch(/^autoencoder +runs +forced$/m);
    await rm(join(cwd, 'sessions'));
    const again = start(toyMain, ['run', ...forced], { TOY_STEP_MS: '10' });
    await untilStep(again, 5);
    again.kill('SIGINT');
    await again;
    // From here on it is that forcing which holds.
    expect((await pipeline('run', ...forced)).stdout).toMatch(/^autoencoder: continues/m);
    expect(await sessions()).toEqual(['autoencoder start', 'autoencoder continue', 'report start']);
    expect(await stepsWritten()).toBe(uninterrupted(steps));
  });

  it('makes nothing again where what was forced is made and only its run did not end', async () => {
    const forced = ['toy.yaml', '--force', 'autoencoder'];
    expect((await pipeline('run', ...forced)).exitCode).toBe(0);
    const [name] = (await readdir(join(cwd, 'runs', 'toy'))).filter((each) => /^\d/.test(each));
    const path = join(cwd, 'runs', 'toy', name!, 'run.json');
    const record = unsealJson(await readFile(path, 'utf8'));
    await writeFile(path, sealJson({ ...record, status: 'running' }));
    const { stdout } = await pipeline('run', ...forced);
    expect(stdout).toMatch(/^autoencoder: cached/m);
    expect(stdout).toMatch(/forced on \S+Z, and made again since/);
    expect(await sessions()).toEqual(['images start', 'autoencoder start', 'report start']);
  });

  it('does not continue what was begun before it was forced', async () => {
    const running = start(toyMain, ['run', 'toy.yaml'], { TOY_STEP_MS: '10' });
    await untilStep(running, 5);
    running.kill('SIGINT');
    await running;
    expect((await pipeline('run', 'toy.yaml', '--force', 'autoencoder')).exitCode).toBe(0);
    expect(await sessions()).toEqual([
      'images start',
      'autoencoder start',
      'autoencoder start',
      'report start',
    ]);
    expect(await stepsWritten()).toBe(uninterrupted(steps));
  });
});
