import { openSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { RunFile } from '../../src/runner/run/run-record.js';
import { nodeProgram } from '../support/programs.js';
import { PseudoTerminal, whyNoTerminal } from '../support/pseudo-terminal.js';
import { main, startPipeline, tinyPipeline, untilCheckpoint } from '../support/tiny-pipeline.js';
import { ToySweep } from './sweep/toy-sweep.js';

// What a run prints may not decide what becomes of it, and what interrupts it may not lose what it has.

vi.setConfig({ testTimeout: 120_000 });

const steps = 400;
const command = [process.execPath, ...nodeProgram('test/cli/toy-main.ts')];
const quoted = (words: readonly string[]): string => words.map((word) => `'${word}'`).join(' ');

let toy: ToySweep;
let env: Record<string, string>;

beforeEach(async () => {
  toy = await ToySweep.create(`{ grid: { stages.train.steps: [${steps}, ${steps + 1}] } }`);
  env = { TOY_STEP_MS: '20', TOY_SAVE_MS: '300' };
});

const shellEnv = () => ({
  ...process.env,
  ...{ CI: '', NO_COLOR: '1', TERM: 'xterm', PIPELINE_RUNS: '', TOY_SESSIONS: join(toy.folder, 'sessions') },
  ...env,
});
const onTerminal = (script: string): PseudoTerminal =>
  new PseudoTerminal(script, { cwd: toy.folder, env: shellEnv() });
const train = ['run', 'toy.yaml', '--until', 'train', '--no-lock'] as const;
const long = [...train, '--set', `stages.train.steps=${steps}`] as const;

/** Resolves once the trainings of so many runs write steps. */
const untilTraining = (trainings = 1): Promise<void> => toy.untilTraining({ exitCode: null }, trainings);

async function runs(): Promise<RunFile[]> {
  const folder = join(toy.folder, 'runs', 'toy');
  const names = (await readdir(folder)).filter((name) => name.startsWith('20')).sort();
  const read = async (name: string) =>
    JSON.parse(await readFile(join(folder, name, 'run.json'), 'utf8')) as RunFile;
  return Promise.all(names.map(read));
}
const lastRun = async (): Promise<RunFile> => (await runs()).at(-1)!;

/** Checks that the training was interrupted and has saved, and that the same command continues and finishes it. */
async function expectContinuation(args: readonly string[] = long): Promise<void> {
  expect((await lastRun()).status).toBe('interrupted');
  expect(await toy.sessions()).toMatchObject({ 'train start': 1, 'train saved': 1 });
  const { exitCode } = await toy.start(args);
  expect(exitCode).toBe(0);
  expect(await toy.sessions()).toMatchObject({ 'train start': 1, 'train continue': 1 });
}

const noTerminal = whyNoTerminal();

describe('a terminal that goes away', () => {
  beforeEach(({ skip }) => {
    if (noTerminal !== undefined) skip(noTerminal);
  });

  it.each([
    ['a live view', '', ''],
    ['lines', '', 'CI=1'],
    ['events', '--json', ''],
    ['a live view under a shell', '; :', ''],
  ])('interrupts a run that shows %s, which saves and continues', async (_, after, before) => {
    const line = `${quoted([...command, ...long])} ${after}`;
    const terminal = onTerminal(after.startsWith(';') ? line : `exec env ${before} ${line}`);
    await untilTraining();
    terminal.close();
    const { code, signal } = await terminal.ended;
    if (!after.startsWith(';')) expect([code, signal]).toEqual([130, null]);
    await vi.waitFor(async () => {
      expect((await lastRun()).status).toBe('interrupted');
    }, 10_000);
    await expectContinuation();
  });

  it('interrupts a real training, which saves a checkpoint and goes on from it', async () => {
    const folder = await tinyPipeline();
    const args = ['run', 'tiny.yaml', '--until', 'train', '--set', 'stages.train.steps=1000000'];
    const terminal = new PseudoTerminal(`exec ${quoted([process.execPath, ...nodeProgram(main), ...args])}`, {
      cwd: folder,
      env: { ...shellEnv(), PIPELINE_RUNS: join(folder, 'runs') },
    });
    await untilCheckpoint(join(folder, 'runs'));
    terminal.close();
    expect(await terminal.ended).toEqual({ code: 130, signal: null });
    const again = startPipeline(folder, args);
    const text = await new Promise<string>((resolve) => {
      let all = '';
      again.stdout.on('data', (chunk: Buffer) => {
        all += chunk.toString();
        if (all.includes('Continues from')) resolve(all);
      });
    });
    expect(text).toMatch(/train: Continues from step [1-9]/);
    again.kill('SIGTERM');
    expect((await again).exitCode).toBe(130);
    await rm(folder, { recursive: true });
  });

  it('stops no run that is in no session of its', async () => {
    env.TOY_STEP_MS = '5';
    const code = join(toy.folder, 'code');
    const terminal = onTerminal(
      `setsid sh -c '"$@"; echo $? > code' sh ${quoted([...command, ...long])} & wait`,
    );
    await untilTraining();
    terminal.close();
    await vi.waitFor(async () => {
      expect(await readFile(code, 'utf8')).toBe('0\n');
    }, 60_000);
    expect((await lastRun()).status).toBe('finished');
  });

  it('interrupts a sweep, which waits until its trials have saved', async () => {
    const terminal = onTerminal(`exec ${quoted([...command, 'sweep', 'toy.yaml', '--parallel', '2'])}`);
    await untilTraining(2);
    terminal.close();
    expect(await terminal.ended).toEqual({ code: 130, signal: null });
    expect(await toy.sessions()).toMatchObject({ 'train start': 2, 'train saved': 2 });
    expect((await toy.results()).map(({ status }) => status)).toEqual(['interrupted', 'interrupted']);
  });
});

describe('output that nobody reads', () => {
  it('stops no run', async () => {
    const running = toy.start([...train, '--set', 'stages.train.steps=50'], env);
    await new Promise((resolve) => running.stdout.once('data', resolve));
    running.stdout.destroy();
    running.stderr.destroy();
    expect((await running).exitCode).toBe(0);
    expect((await lastRun()).status).toBe('finished');
  });

  it.each([['lines'], ['events', '--json']])(
    'does not hide that a run that shows %s was interrupted',
    async (_, ...options) => {
      const running = toy.start([...long, ...options], env);
      await untilTraining();
      running.stdout.destroy();
      running.stderr.destroy();
      running.kill('SIGINT');
      const { exitCode, signal } = await running;
      expect([exitCode, signal]).toEqual([130, undefined]);
      await expectContinuation();
    },
  );

  it('stops no sweep, nor hides that one was interrupted', async () => {
    const running = toy.start(['sweep', 'toy.yaml', '--parallel', '2'], env);
    await untilTraining(2);
    running.stdout.destroy();
    running.stderr.destroy();
    await sleep(500);
    running.kill('SIGINT');
    expect((await running).exitCode).toBe(130);
    expect(await toy.sessions()).toMatchObject({ 'train saved': 2 });
  });

  it('ends a command that only prints as if it were read', async () => {
    const { exitCode } = await execa('/bin/sh', ['-c', `${quoted([...command, 'schema'])} | head -1`], {
      cwd: toy.folder,
      env: shellEnv(),
    });
    expect(exitCode).toBe(0);
  });
});

describe('output to a full disk', () => {
  const onFullDisk = (args: readonly string[]) => {
    const full = openSync('/dev/full', 'w');
    return execa(command[0]!, [...command.slice(1), ...args], {
      cwd: toy.folder,
      env: shellEnv(),
      reject: false,
      stdout: full as 3,
    });
  };

  it('stops no run and no sweep, which say so', async () => {
    env.TOY_STEP_MS = '1';
    const { exitCode, stderr } = await onFullDisk([...train, '--set', 'stages.train.steps=50']);
    expect(exitCode).toBe(0);
    expect(stderr).toMatch(/^warning: Not all could be printed: .*no space left on device/);
    expect((await lastRun()).status).toBe('finished');
    expect((await onFullDisk(['sweep', 'toy.yaml'])).exitCode).toBe(0);
  });

  it('fails a command whose purpose is what it prints', async () => {
    for (const args of [
      ['plan', 'toy.yaml'],
      ['sweep', 'toy.yaml', '--plan', '--json'],
      ['status'],
      ['schema'],
    ]) {
      const { exitCode, stderr } = await onFullDisk(args);
      expect(exitCode).toBe(1);
      expect(stderr).toMatch(/^error: Not all could be printed: .*no space left on device/);
    }
  });
});

describe('signals', () => {
  it.each([
    ['SIGHUP', 0, 'SIGHUP'],
    ['SIGHUP', 700, 'SIGHUP'],
    ['SIGHUP', 20, 'SIGTERM'],
    ['SIGTERM', 700, 'SIGTERM'],
    ['SIGTERM', 700, 'SIGINT'],
    ['SIGINT', 20, 'SIGINT'],
  ] as const)('%s and %i ms later %s let a run save', async (first, pause, second) => {
    env.TOY_SAVE_MS = '1500';
    const running = toy.start(long, env);
    await untilTraining();
    running.kill(first);
    await sleep(pause);
    running.kill(second);
    const { exitCode, signal } = await running;
    expect([exitCode, signal]).toEqual([130, undefined]);
    env.TOY_SAVE_MS = '0';
    await expectContinuation();
  });

  it('of a second Ctrl-C end a run at once', async ({ skip }) => {
    if (noTerminal !== undefined) skip(noTerminal);
    env.TOY_SAVE_MS = '20000';
    const terminal = onTerminal(`exec ${quoted([...command, ...long])}`);
    await untilTraining();
    terminal.type('\u0003');
    await vi.waitFor(() => {
      expect(terminal.text).toContain('A second Ctrl-C stops at once.');
    }, 10_000);
    await sleep(600);
    terminal.type('\u0003');
    expect(await terminal.ended).toEqual({ code: 130, signal: null });
    expect(await toy.sessions()).not.toHaveProperty('train saved');
    terminal.close();
  });

  it('reach a sweep that waits until its trials have saved, or ends them at the second Ctrl-C', async () => {
    env.TOY_SAVE_MS = '1500';
    const saving = toy.start(['sweep', 'toy.yaml', '--parallel', '2'], env);
    await untilTraining(2);
    saving.kill('SIGHUP');
    await sleep(20);
    saving.kill('SIGTERM');
    expect((await saving).exitCode).toBe(130);
    expect(await toy.sessions()).toMatchObject({ 'train saved': 2 });

    const ending = toy.start(['sweep', 'toy.yaml', '--parallel', '2', '--json'], {
      ...env,
      TOY_SAVE_MS: '20000',
    });
    await vi.waitFor(async () => {
      expect(await toy.sessions()).toMatchObject({ 'train continue': 2 });
    }, 60_000);
    ending.kill('SIGINT');
    await sleep(700);
    ending.kill('SIGINT');
    expect((await ending).exitCode).toBe(130);
    expect(await toy.sessions()).toMatchObject({ 'train saved': 2 });
    const all = await runs();
    expect(all).toHaveLength(4);
    for (const { pid } of all) expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  });

  it('need not come: a sweep that cannot go on lets its trials save', async () => {
    env.TOY_SAVE_MS = '1000';
    await writeFile(
      join(toy.folder, 'toy.yaml'),
      (await readFile(join(toy.folder, 'toy.yaml'), 'utf8')).replace(`${steps},`, '30,'),
    );
    const running = toy.start(['sweep', 'toy.yaml', '--parallel', '2'], env);
    await untilTraining(2);
    // The table cannot be written over a folder.
    const table = join(toy.folder, 'runs', 'toy', 'sweep', 'sweep.json');
    await rm(table, { force: true });
    await mkdir(table);
    const { exitCode, stderr } = await running;
    expect(exitCode).toBe(1);
    expect(stderr).toContain('sweep.json');
    expect(await toy.sessions()).toMatchObject({ 'train saved': 1 });
  });
});
