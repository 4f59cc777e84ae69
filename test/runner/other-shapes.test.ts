import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { earlierForcing } from '../../src/runner/run/earlier-forcing.js';
import { compareRuns } from '../../src/runner/runs/compare.js';
import { readConfiguration } from '../../src/runner/runs/configuration.js';
import { listRuns, scanRuns } from '../../src/runner/runs/find-runs.js';
import { readResults } from '../../src/runner/sweep/results.js';
import { stageRecord, writeRun } from './runs/synthetic-runs.js';
import { outcomes, run, toyFolder, toyPipeline, toyStages } from './toy-pipeline.js';

let directory: string;
let runs: string;
const pipeline = () => toyPipeline(directory, toyStages());
const allCached = ['images cached', 'train cached', 'report cached', 'run-finished'];

beforeEach(async () => {
  directory = await toyFolder();
  runs = join(directory, 'runs');
});

/** What may be in the place of a file that is read back, beside what belongs there. */
const shapes: readonly (readonly [what: string, make: (path: string) => Promise<unknown>])[] = [
  ['empty', (path) => writeFile(path, '')],
  ['null', (path) => writeFile(path, 'null')],
  ['a number', (path) => writeFile(path, '3\n')],
  ['a list', (path) => writeFile(path, '[[1], null]\n')],
  ['a map of another shape', (path) => writeFile(path, '{"format":1,"stages":{"a":null},"files":[3]}\n')],
  ['cut short', async (path) => writeFile(path, (await readFile(path)).subarray(0, 40))],
  ['no text', (path) => writeFile(path, Buffer.of(0xff, 0xfe, 0, 1))],
  [
    'a folder',
    async (path) => {
      await rm(path, { force: true });
      await mkdir(path);
    },
  ],
];

describe.each(shapes)('a file that is %s', (what, make) => {
  it('as run.json costs that run only, which is named', async () => {
    await writeRun(runs, 'good', new Date('2025-03-01T10:00:00Z'));
    const bad = await writeRun(runs, 'bad', new Date('2025-03-02T10:00:00Z'));
    await make(join(bad, 'run.json'));
    const { runs: found, problems } = await scanRuns(runs);
    expect(found.map(({ record }) => record.pipeline)).toEqual(['good']);
    expect(problems).toMatchObject([{ code: 'run-unreadable' }]);
    expect(problems[0]!.message).toContain(join(bad, 'run.json'));
  });

  it('as what a run keeps beside it leaves the run', async () => {
    const stages = { train: stageRecord({ kind: 'train', status: 'running' }) };
    const folder = await writeRun(runs, 'live', new Date(), { status: 'running', stages });
    for (const name of ['run.lock', 'events.jsonl', 'resolved.yaml', 'origins.json']) {
      await writeFile(join(folder, name), 'some text that is long enough to be cut short later on');
      await make(join(folder, name));
    }
    const [live] = await listRuns(runs);
    expect(live).toMatchObject({ state: 'died' });
    await readConfiguration(live!);
    expect((await compareRuns([live!, live!])).runs).toHaveLength(2);
  });

  it('as what the store remembers is done without', async () => {
    await run(directory, pipeline());
    const store = join(runs, 'store');
    const remembered = await Promise.all(
      ['.hashes', '.inputs'].map(async (name) =>
        (await readdir(join(store, name))).map((file) => join(store, name, file)),
      ),
    );
    for (const path of remembered.flat()) await make(path);
    // What is appended to a folder is lost with an error that names it.
    if (what !== 'a folder') await make(join(runs, 'toy', 'history.jsonl'));
    expect(outcomes(await run(directory, pipeline())).filter((each) => !each.includes('damaged'))).toEqual(
      allCached,
    );
    await writeFile(join(directory, 'data ä', 'a.png'), 'other');
    expect(outcomes(await run(directory, pipeline())).at(-1)).toBe('run-finished');
  });

  it('as the record of an earlier run, or of a sweep, is as if there were none', async () => {
    const options = { set: [], force: ['train'] };
    const folder = await writeRun(runs, 'toy', new Date(), { status: 'interrupted', options });
    const { file } = JSON.parse(await readFile(join(folder, 'run.json'), 'utf8')) as { file: string };
    const forcing = () => earlierForcing(runs, { name: 'toy', file }, options);
    expect(await forcing()).toMatchObject({ made: ['images', 'train'] });
    await make(join(folder, 'run.json'));
    expect(await forcing()).toBeUndefined();
    await writeFile(join(folder, 'sweep.json'), 'some text that is long enough to be cut short');
    await make(join(folder, 'sweep.json'));
    expect(await readResults(join(folder, 'sweep.json'))).toBeUndefined();
  });

  it('as the manifest of an output costs that output only', async () => {
    await run(directory, pipeline());
    const [output] = (await readdir(join(runs, 'store', 'train'))).filter((name) => !name.includes('.'));
    await make(join(runs, 'store', 'train', output!, 'manifest.json'));
    const events = outcomes(await run(directory, pipeline()));
    expect(events).toEqual([
      'images cached',
      'train damaged',
      'train started',
      'train finished',
      'report cached',
      'run-finished',
    ]);
  });
});

it('a summary that was edited is found out', async () => {
  await run(directory, pipeline());
  const [output] = (await readdir(join(runs, 'store', 'images'))).filter((name) => !name.includes('.'));
  const path = join(runs, 'store', 'images', output!, 'manifest.json');
  const text = await readFile(path, 'utf8');
  await writeFile(path, text.replace('"images": 2', '"images": 3'));
  const events = await run(directory, pipeline());
  expect(events.find(({ type }) => type === 'output-damaged')).toMatchObject({
    stage: 'images',
    problem: 'manifest.json is not what was written',
  });
  expect(outcomes(events).at(-1)).toBe('run-finished');
});

it('a folder in the place of the history of stages is named, and told of as what a person can mend', async () => {
  const path = join(runs, 'toy', 'history.jsonl');
  await mkdir(path, { recursive: true });
  const failed = (await run(directory, pipeline())).find((event) => event.type === 'stage-failed');
  expect(failed).toMatchObject({
    stage: 'images',
    failure: { code: 'not-a-file', message: expect.stringContaining(path) as string },
  });
});
