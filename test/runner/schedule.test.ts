import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { TimedRunEvent } from '../../src/runner/run/events.js';
import type { RunFile } from '../../src/runner/run/run-record.js';
import { ToySweep } from '../cli/sweep/toy-sweep.js';

// Each of these starts several processes.
vi.setConfig({ testTimeout: 120_000 });

let toy: ToySweep;

/** Three trainings that do not need each other, one that needs two of them, and a report. */
const yaml = (steps: number, rest = ''): string => `name: toy
stages:
  images: { uses: images, path: data, size: 32 }
  a: { uses: autoencoder, images: images, channels: [32, 64, 96], steps: ${steps} }
  b: { uses: autoencoder, images: images, channels: [32, 64, 96], steps: ${steps + 1} }
  c: { uses: autoencoder, images: images, channels: [32, 64, 96], steps: ${steps + 2} }
  report: { uses: report, stages: [a, b, c] }
${rest}`;

beforeEach(async () => {
  toy = await ToySweep.create('{}');
  await writeFile(join(toy.folder, 'toy.yaml'), yaml(30));
});
afterEach(() => rm(toy.folder, { recursive: true, force: true }));

const run = (args: readonly string[], env: Record<string, string>) =>
  toy.start(['run', 'toy.yaml', ...args], { TOY_STEP_MS: '60', ...env });
const eventsOf = (stdout: string) => stdout.split('\n').map((line) => JSON.parse(line) as TimedRunEvent);
const told = (events: readonly TimedRunEvent[], type: TimedRunEvent['type']) =>
  events.filter((event) => event.type === type);
const stagesOf = (events: readonly TimedRunEvent[], type: TimedRunEvent['type']) =>
  told(events, type).map((event) => ('stage' in event ? event.stage : undefined));
const trainings = ['a', 'b', 'c'];
const record = async (): Promise<RunFile> =>
  JSON.parse(await readFile(join(toy.folder, 'runs', 'toy', 'latest', 'run.json'), 'utf8')) as RunFile;
const status = async () =>
  JSON.parse((await toy.start(['status', '--json'])).stdout) as {
    readonly state: string;
    readonly stage: string | null;
    readonly progress: { readonly done: number } | null;
    readonly beside: readonly { readonly stage: string; readonly progress?: { readonly done: number } }[];
  }[];

/** Resolves once all three have made progress, as `status` says. */
async function untilAllTrain(): Promise<void> {
  await vi.waitFor(
    async () => {
      const [found] = await status();
      expect(found).toMatchObject({ state: 'running', stage: 'a' });
      expect(found!.beside.map(({ stage }) => stage)).toEqual(['b', 'c']);
      expect([found!.progress, ...found!.beside.map(({ progress }) => progress)]).toEqual(
        trainings.map(() => expect.objectContaining({ unit: 'steps' }) as unknown),
      );
    },
    { timeout: 60_000, interval: 200 },
  );
}

describe('stages that do not need each other', () => {
  it('run at the same time, each on a GPU of its own', async () => {
    const { stdout, exitCode } = await run(['--json'], await toy.gpus('0', '2', '5'));
    expect(exitCode).toBe(0);
    expect(Object.keys(await toy.sessions()).filter((line) => !/images|report/.test(line))).toEqual(
      expect.arrayContaining(['a start on 0', 'b start on 2', 'c start on 5']) as string[],
    );
    const events = eventsOf(stdout);
    const times = (type: TimedRunEvent['type']) =>
      told(events, type).flatMap((event) =>
        'stage' in event && trainings.includes(event.stage) ? [Date.parse(event.time)] : [],
      );
    expect(Math.max(...times('stage-started'))).toBeLessThan(Math.min(...times('stage-finished')));
    expect(stagesOf(events, 'stage-started').at(-1)).toBe('report');
    expect(events.at(-1)).toMatchObject({ type: 'run-finished', ran: 5, cached: 0 });
    expect(Object.values((await record()).stages).map((stage) => stage.status)).toEqual(
      Array(5).fill('finished'),
    );
    // The outputs are those of a run that has one after the other, and the lock is whole.
    const again = await run(['--json'], {});
    expect(eventsOf(again.stdout).at(-1)).toMatchObject({ type: 'run-finished', ran: 0, cached: 5 });
    const lock = await readFile(join(toy.folder, 'toy.lock.yaml'), 'utf8');
    for (const id of [...trainings, 'report']) expect(lock).toMatch(new RegExp(`^  ${id}:`, 'm'));
  });

  it.each([
    ['there is one GPU', ['0'], ''],
    ['they compute on the processor', ['0', '1', '2'], 'runtime: { device: cpu }\n'],
  ])('run one after the other, in this process, where %s', async (_what, gpus, rest) => {
    await writeFile(join(toy.folder, 'toy.yaml'), yaml(3, rest));
    const { stdout, exitCode } = await run(['--json'], await toy.gpus(...gpus));
    expect(exitCode).toBe(0);
    const order = eventsOf(stdout).flatMap((event) =>
      event.type === 'stage-started' || event.type === 'stage-finished' ? [event.stage] : [],
    );
    expect(order).toEqual(['images', 'a', 'b', 'c', 'report'].flatMap((id) => [id, id]));
    expect(Object.keys(await toy.sessions())).toContain(`c start on ${gpus.join(',')}`);
  });

  it('wait where there are fewer GPUs than stages', async () => {
    const { stdout, exitCode } = await run([], await toy.gpus('3', '7'));
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^a: starts on GPU 3 \(never run\)$/m);
    expect(stdout).toMatch(/^b: starts on GPU 7 \(never run\)$/m);
    expect(stdout).toMatch(/^(a: finished[^]*^c: starts on GPU 3|b: finished[^]*^c: starts on GPU 7)/m);
  });

  it('save when the run is interrupted, are shown by status, and go on', async () => {
    await writeFile(join(toy.folder, 'toy.yaml'), yaml(200));
    const gpus = await toy.gpus('0', '1', '2');
    const running = run([], { ...gpus, TOY_SAVE_MS: '300' });
    await untilAllTrain();
    const table = await toy.start(['status']);
    expect(table.stdout).toMatch(/a \d+ %.* · b \d+ % · c \d+ %/s);
    running.kill('SIGINT');
    const { exitCode, stdout } = await running;
    expect(exitCode).toBe(130);
    expect(stdout).toContain('Interrupted in a, b and c. Run the same command to continue.');
    expect(await toy.sessions()).toMatchObject({ 'a saved on 0': 1, 'b saved on 1': 1, 'c saved on 2': 1 });
    const { status: state, stages } = await record();
    expect([state, ...trainings.map((id) => stages[id]!.status)]).toEqual(Array(4).fill('interrupted'));
    expect((await run([], { ...gpus, TOY_STEP_MS: '1' })).exitCode).toBe(0);
    expect(await toy.sessions()).toMatchObject({ 'a continue on 0': 1, 'b continue on 1': 1 });
  });

  it('go on to their end beside one that fails, and nothing else starts', async () => {
    await toy.break('b', 1);
    const gpus = await toy.gpus('0', '1');
    const { stdout, stderr, exitCode } = await run([], gpus);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('Stage b failed: The toy is broken.\n  Mend it.\n');
    expect(stdout).toContain('a runs to its end; no other stage starts. Ctrl-C interrupts.');
    expect(stdout).toMatch(/^a: finished/m);
    expect(stdout).not.toMatch(/^c: starts/m);
    const { status: state, stages } = await record();
    expect([state, ...trainings.map((id) => stages[id]!.status)]).toEqual([
      'failed',
      'finished',
      'failed',
      'waiting',
    ]);
    expect((await status())[0]).toMatchObject({ state: 'failed', stage: 'b', beside: [] });
    expect((await run(['--json'], gpus)).exitCode).toBe(0);
  });

  it('tell that the process of one died, with its last words', async () => {
    await toy.break('c', 'die');
    const gpus = await toy.gpus('0', '1', '2');
    const { stderr, exitCode } = await run([], gpus);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(
      'Stage c failed: The process that ran it ended with exit code 3.\nThe toy has died.\n',
    );
  });
});
