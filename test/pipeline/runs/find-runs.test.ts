import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { findRun, listRuns, matchingRuns, type Run } from '../../../src/pipeline/index.js';
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

it.each([
  ['emoji/2026-03-01', 'ambiguous-run'],
  ['emojo', 'no-such-run'],
  ['emoji~3', 'no-such-run'],
  ['2027', 'no-such-run'],
])('refuses %s: %s', (reference, code) => {
  expect(() => findRun(reference, runs)).toThrow(expect.objectContaining({ code }) as Error);
});

it('filters by pipeline and by the beginning of an id', () => {
  expect(matchingRuns('photos', runs)).toHaveLength(2);
  expect(matchingRuns('2026-03-01', runs)).toHaveLength(2);
  expect(matchingRuns('latest', runs)).toEqual([runs[4]]);
});
