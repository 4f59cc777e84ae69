import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { findRun, listRuns, matchingRuns, RunList } from '../../../src/runner/runs/find-runs.js';
import type { Run } from '../../../src/runner/runs/run.js';
import { writeRun } from './synthetic-runs.js';

let root: string;
let runs: readonly Run[];

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'find runs ü '));
  for (const [name, time] of [
    ['emoji', '2026-03-01T10:00:00.000Z'],
    ['emoji', '2026-03-01T10:00:00.500Z'],
    ['photos', '2026-03-02T10:00:00.000Z'],
    ['emoji', '2026-03-03T10:00:00.000Z'],
    ['photos', '2026-03-04T10:00:00.000Z'],
  ] as const)
    await writeRun(root, name, new Date(time));
  runs = await listRuns(root);
});
afterAll(() => rm(root, { recursive: true }));

it.each([
  ['latest', 'photos/2026-03-04T10-00-00.000Z'],
  ['latest~1', 'emoji/2026-03-03T10-00-00.000Z'],
  ['emoji', 'emoji/2026-03-03T10-00-00.000Z'],
  ['emoji/latest', 'emoji/2026-03-03T10-00-00.000Z'],
  ['emoji~2', 'emoji/2026-03-01T10-00-00.000Z'],
  ['photos~1', 'photos/2026-03-02T10-00-00.000Z'],
  ['2026-03-02', 'photos/2026-03-02T10-00-00.000Z'],
  ['emoji/2026-03-03T10-00-00', 'emoji/2026-03-03T10-00-00.000Z'],
  ['emoji/2026-03-03T10-00-00.000Z', 'emoji/2026-03-03T10-00-00.000Z'],
])('%s is the run %s', (reference, id) => {
  expect(findRun(reference, runs).id).toBe(id);
});

it('takes the path of a run', () => {
  expect(findRun(runs[2]!.directory, runs)).toBe(runs[2]);
});

it('takes no run for the latest whose time is yet to come: its clock was ahead', async () => {
  const own = await mkdtemp(join(tmpdir(), 'find runs ahead '));
  const times = [Date.now() + 86_400_000, Date.now() - 1000, Date.now() - 60_000];
  for (const time of times) await writeRun(own, 'emoji', new Date(time));
  const listed = await listRuns(own);
  expect(listed.map(({ record }) => Date.parse(record.startedAt))).toEqual([times[0], times[2], times[1]]);
  expect(findRun('latest', listed)).toBe(listed[2]);
  await rm(own, { recursive: true });
});

it.each([
  ['emoji/2026-03-01', 'ambiguous-run'],
  ['emojo', 'no-such-run'],
  ['emoji~3', 'no-such-run'],
  ['2027', 'no-such-run'],
])('refuses %s: %s', (reference, code) => {
  expect(() => findRun(reference, runs)).toThrow(expect.objectContaining({ code }) as Error);
});

it('says how many runs there are before one', () => {
  expect(() => findRun('emoji~3', runs)).toThrow(
    'There is no run emoji~3: before emoji/2026-03-03T10-00-00.000Z there are 2 runs.',
  );
});

it('filters by pipeline and by the beginning of an id', () => {
  expect(matchingRuns('photos', runs)).toHaveLength(2);
  expect(matchingRuns('2026-03-01', runs)).toHaveLength(2);
  expect(matchingRuns('latest', runs)).toEqual([runs[4]]);
});

describe('a list of runs that is asked for again and again', () => {
  let folder: string;
  let list: RunList;
  const ids = async () => (await list.all()).map(({ id, state }) => `${id.slice(0, 1)} ${state}`);

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'run list '));
    list = new RunList(folder);
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('is what listRuns gives, whatever begins, ends and goes in between', async () => {
    const check = async () => {
      const [found, expected] = [await list.all(), await listRuns(folder)];
      expect(found.map(({ id, state }) => [id, state])).toEqual(expected.map(({ id, state }) => [id, state]));
      return found.length;
    };
    expect(await check()).toBe(0);
    const first = await writeRun(folder, 'a', new Date(1000));
    expect(await check()).toBe(1);
    await writeRun(folder, 'b', new Date(2000), { status: 'running' });
    await writeRun(folder, 'a', new Date(3000), { status: 'failed' });
    expect(await check()).toBe(3);
    await writeRun(folder, 'b', new Date(2000), { status: 'interrupted' });
    await rm(first, { recursive: true });
    expect(await check()).toBe(2);
    // A folder that has not changed for long is not listed again, until it changes.
    const longAgo = new Date(Date.now() - 3_600_000);
    await utimes(join(folder, 'a'), longAgo, longAgo);
    expect(await check()).toBe(2);
    await writeRun(folder, 'a', new Date(4000));
    expect(await check()).toBe(3);
  });

  it('reads files of runs that are over once, and looks once for all who ask at a time', async () => {
    const over = await writeRun(folder, 'a', new Date(1000));
    const running = await writeRun(folder, 'b', new Date(2000), { status: 'running' });
    expect(list.all()).toBe(list.all());
    expect(await ids()).toEqual(['a finished', 'b died']);
    for (const directory of [over, running]) await writeFile(join(directory, 'run.json'), 'no JSON');
    expect((await list.all(60_000)).map(({ id }) => id.slice(0, 1))).toEqual(['a', 'b']);
    expect(await ids()).toEqual(['a finished']);
    expect(await list.find(`a/${basename(over)}`)).toBeUndefined();
    await writeRun(folder, 'a', new Date(1000));
    expect(await list.find(`a/${basename(over)}`)).toMatchObject({ directory: over });
    expect(await list.find(`a/../b/${basename(running)}`)).toBeUndefined();
  });
});
