import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { RunList } from '../../../src/runner/runs/find-runs.js';
import { writeRun } from '../../runner/runs/synthetic-runs.js';
import { startPipeline } from '../../support/tiny-pipeline.js';

let folder: string;
const pipeline = (...args: string[]) => startPipeline(folder, args);

beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'notes ü ')));
  for (const hour of [10, 12])
    await writeRun(join(folder, 'runs'), 'mine', new Date(Date.UTC(2026, 2, 1, hour)));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

it('names, tags and describes a run, which lists, comparisons and pages show', async () => {
  const list = new RunList(join(folder, 'runs'));
  expect((await list.all()).map(({ note }) => note)).toEqual([undefined, undefined]);
  const first = await pipeline('note', 'mine~1', '--name', 'baseline', '--tag', '#best', 'With', 'flips.');
  expect([first.exitCode, first.stderr, first.stdout]).toEqual([
    ...[0, '', 'mine/2026-03-01T10-00-00: baseline · #best · With flips.'],
  ]);
  // A list that is kept, as `ui` keeps it, sees it without reading the run again.
  expect((await list.all())[0]!.note).toEqual({ name: 'baseline', tags: ['best'], text: 'With flips.' });
  expect((await pipeline('status')).stdout).toMatch(/NOTE.*\n.*T10-00-00.*baseline · #best · With flips\./);
  expect((await pipeline('compare', 'baseline', 'mine')).stdout).toMatch(/^A .*baseline · #best/m);
  expect(JSON.parse((await pipeline('status', 'baseline', '--json')).stdout)).toMatchObject([
    { id: 'mine/2026-03-01T10-00-00.000Z', note: { name: 'baseline', tags: ['best'], text: 'With flips.' } },
  ]);
  await pipeline('report', 'baseline', '-o', 'run.html');
  const { exitCode, stdout } = await pipeline(
    'note',
    'baseline',
    '--untag',
    'best',
    '--tag',
    'old',
    '--no-text',
  );
  expect([exitCode, stdout]).toEqual([0, 'mine/2026-03-01T10-00-00: baseline · #old']);
  expect((await pipeline('note', 'baseline')).stdout).toBe(stdout);
});

it.each([
  [['note', 'mine', '--name', 'baseline'], 'baseline means another run already: mine/2026-03-01T10'],
  [['note', 'mine', '--name', 'mine'], 'mine means another run already: the latest of the pipeline mine'],
  [['note', 'mine', '--name', 'a/b'], 'letters, digits, dots'],
  [['note', 'mine', '--tag', 'two words'], 'A tag of one word'],
  [['note', 'absent'], 'There is no run absent'],
])('refuses %j', async (args, message) => {
  const { exitCode, stderr } = await pipeline(...args);
  expect([exitCode, stderr]).toEqual([2, expect.stringContaining(message)]);
});
