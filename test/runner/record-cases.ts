import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeEach, expect } from 'vitest';
import { UserError } from '../../src/base/errors.js';
import { tryLock } from '../../src/base/file-lock.js';
import { sealJson } from '../../src/base/sealed.js';
import { findReferences } from '../../src/runner/gc.js';
import { acceptOutput } from '../../src/runner/plan/accept.js';
import { makePlan, type PlanOptions } from '../../src/runner/plan/plan.js';
import { earlierForcing } from '../../src/runner/run/earlier-forcing.js';
import { runPipeline } from '../../src/runner/run/run-pipeline.js';
import { compareRuns } from '../../src/runner/runs/compare.js';
import { readConfiguration } from '../../src/runner/runs/configuration.js';
import { listRuns, scanRuns } from '../../src/runner/runs/find-runs.js';
import { writeNote } from '../../src/runner/runs/note.js';
import { outputPlace } from '../../src/runner/store/manifest.js';
import { readResults, writeResults } from '../../src/runner/sweep/results.js';
import { parseLock } from '../../src/runner/lock/lock-file.js';
import { stageRecord, writeRun } from './runs/synthetic-runs.js';
import { outcomes, run, toyFolder, toyPipeline, toyStages } from './toy-pipeline.js';
import { toyRegistry } from './toy-kinds.js';

/**
 * The rule for every record that the program reads back: one that is damaged is refused by its path, or named in a
 * warning and made again; it is neither used nor taken for none.
 */

let directory: string;
let runs: string;
const pipeline = () => toyPipeline(directory, toyStages());
const store = (...path: readonly string[]) => join(runs, 'store', ...path);

beforeEach(async () => {
  directory = await toyFolder();
  runs = join(directory, 'runs');
});

type Damage = (path: string) => Promise<unknown>;

/** Changes one byte of a file, its length kept; in the text of a JSON record, before its checksum. */
const flipAt =
  (share: number): Damage =>
  async (path) => {
    const bytes = await readFile(path);
    const at = Math.floor(share * bytes.length);
    bytes[at]! ^= 1;
    await writeFile(path, bytes);
  };

export const damages: Readonly<Record<string, Damage>> = {
  empty: (path) => writeFile(path, ''),
  null: (path) => writeFile(path, 'null\n'),
  'a number': (path) => writeFile(path, '3\n'),
  'a list': (path) => writeFile(path, '[[1], null]\n'),
  'a map of another shape': (path) => writeFile(path, '{"format":1,"stages":{"a":null},"files":[3]}\n'),
  'no JSON': (path) => writeFile(path, 'some: [text\n'),
  'no text': (path) => writeFile(path, Buffer.of(0xff, 0xfe, 0, 1, 10)),
  'cut short': async (path) => {
    const bytes = await readFile(path);
    await writeFile(path, bytes.subarray(0, bytes.length >> 1));
  },
  'changed in a byte near its start': flipAt(0.1),
  'changed in a byte further on': flipAt(0.4),
  'a folder': async (path) => {
    await rm(path, { recursive: true, force: true });
    await mkdir(path);
  },
};

interface RecordCase {
  /** Makes the record as the program does. Gives its path. */
  readonly make: () => Promise<string>;
  /** Uses it once it is damaged, and makes sure that nothing of it was used. */
  readonly use: (path: string) => Promise<readonly string[]>;
  /** Damages that are none to it, each with the reason. */
  readonly except?: Readonly<Record<string, string>>;
}

/** Runs the toy; what it told, all else having to be as it should be. */
async function ranWell(...expected: string[]): Promise<readonly string[]> {
  const events = await run(directory, pipeline());
  const failed = events.find((event) => event.type === 'stage-failed');
  // A folder in its place is not replaced.
  if (failed !== undefined) {
    expect(failed.failure).toMatchObject({ code: 'not-a-file' });
    return [failed.failure.message];
  }
  expect(outcomes(events)).toEqual([...expected, 'run-finished']);
  return events.flatMap((event) => {
    if (event.type === 'record-damaged') return [event.message];
    return event.type === 'output-damaged' ? [join(event.output, event.problem.split(' ')[0]!)] : [];
  });
}

const plan = (options: Partial<PlanOptions> = {}) =>
  makePlan({ pipeline: pipeline(), registry: toyRegistry(), runsRoot: runs, ...options });

async function ranOnce(): Promise<void> {
  await run(directory, pipeline());
}

/** The one run of the toy. */
async function theRun() {
  const [only] = await listRuns(runs);
  return only!;
}

/** The only file in a folder of the store, or that with an ending. */
async function onlyIn(folder: string, ending = ''): Promise<string> {
  const names = (await readdir(store(folder))).filter((name) => name.endsWith(ending));
  return store(folder, names[0]!);
}

/** Interrupts the toy's training. */
async function interrupt(): Promise<void> {
  const controller = new AbortController();
  const slow = toyPipeline(directory, toyStages());
  const events = runPipeline({
    ...{ pipeline: slow, registry: toyRegistry(), runsRoot: runs, signal: controller.signal },
  });
  await events.forEach((event) => {
    if (event.type === 'stage-event' && event.stage === 'train') controller.abort();
  });
}

const beingWritten = 'a reader may meet it while it is being written';

/** Every record of the runner. Those of stages, of the Hub and of the library have tests beside theirs: see `written`. */
export const records: Readonly<Record<string, RecordCase>> = {
  'run.json': {
    make: async () => {
      await writeRun(runs, 'good', new Date('2025-03-01T10:00:00Z'));
      await ranOnce();
      return join((await theRunOf('toy')).directory, 'run.json');
    },
    use: async () => {
      const { runs: found, problems } = await scanRuns(runs);
      expect(found.map(({ record }) => record.pipeline)).toEqual(['good']);
      expect(problems).toMatchObject([{ code: 'run-unreadable' }]);
      const references = await findReferences({
        ...{ runsRoot: runs, registry: toyRegistry(), named: [], folders: [] },
        scan: { runs: found, problems },
      });
      expect(references.unknown).toContain(problems[0]);
      return problems.map(({ message }) => message);
    },
  },
  'note.json': {
    make: async () => {
      const folder = await writeRun(runs, 'toy', new Date('2025-03-01T10:00:00Z'));
      await writeNote(folder, { name: 'good', tags: ['best'], text: 'With flips.' });
      return join(folder, 'note.json');
    },
    use: async () => {
      expect((await theRun()).note).toBeUndefined();
      return [];
    },
  },
  'run.json of a run whose forcing is continued': {
    make: async () => {
      const folder = await writeRun(runs, 'toy', new Date(), {
        status: 'interrupted',
        options: { set: [], force: ['train'] },
        file: pipeline().file,
      });
      const path = join(folder, 'run.json');
      await writeFile(path, sealJson(JSON.parse(await readFile(path, 'utf8')) as object, 2));
      return path;
    },
    use: async () => {
      const options = { set: [], until: undefined, force: ['train'] };
      expect(await earlierForcing(runs, pipeline(), options)).toBeUndefined();
      return [];
    },
  },
  'events.jsonl': {
    make: async () => {
      const stages = { train: stageRecord({ kind: 'train', status: 'running' }) };
      const folder = await writeRun(runs, 'live', new Date(), { status: 'running', stages });
      await ranOnce();
      const events = await readFile(join((await theRunOf('toy')).directory, 'events.jsonl'));
      await writeFile(join(folder, 'events.jsonl'), events);
      return join(folder, 'events.jsonl');
    },
    use: async () => {
      expect(await theRunOf('live')).toMatchObject({ state: 'died', stage: 'train' });
      return [];
    },
    except: { empty: beingWritten, 'cut short': beingWritten },
  },
  'resolved.yaml': {
    make: async () => {
      await ranOnce();
      return join((await theRun()).directory, 'resolved.yaml');
    },
    use: async () => {
      const found = await theRun();
      expect(await readConfiguration(found)).toEqual([]);
      expect((await compareRuns([found, found])).runs).toHaveLength(2);
      return [];
    },
  },
  'origins.json': {
    make: async () => {
      const sources = new Map([['seed', { file: 'toy.yaml', line: 1, column: 7 }]]);
      await run(directory, pipeline(), { sources });
      return join((await theRun()).directory, 'origins.json');
    },
    use: async () => {
      const values = await readConfiguration(await theRun());
      expect(values.find(({ key }) => key === 'seed')).toEqual({ key: 'seed', value: 0 });
      return [];
    },
  },
  'history.jsonl': {
    make: async () => {
      await ranOnce();
      return join(runs, 'toy', 'history.jsonl');
    },
    use: () => ranWell('images cached', 'train cached', 'report cached'),
  },
  'session.json': {
    make: async () => {
      await interrupt();
      return onlyIn('train', '.session.json');
    },
    use: () =>
      ranWell('images cached', 'train started', 'train finished', 'report started', 'report finished'),
  },
  'session.json under --force': {
    make: async () => {
      await interrupt();
      return onlyIn('train', '.session.json');
    },
    use: async () => {
      const refused = await refusal(plan({ force: ['train'], forcedSince: '2020-01-01T00:00:00Z' }));
      expect(refused.code).toBe('session-damaged');
      return [refused.message];
    },
  },
  'accepted.json': {
    make: async () => {
      await ranOnce();
      const changed = toyPipeline(directory, toyStages({ steps: 4 }));
      const { stages } = await plan({ pipeline: changed });
      await acceptOutput(stages[1]!, 'toy', runs);
      return onlyIn('train', '.accepted.json');
    },
    use: async () => {
      const changed = toyPipeline(directory, toyStages({ steps: 4 }));
      const refused = await refusal(plan({ pipeline: changed }));
      expect(refused.code).toBe('acceptance-damaged');
      return [refused.message];
    },
  },
  'failed.json': {
    make: async () => {
      const { stages } = await plan();
      const path = outputPlace(runs, 'images', stages[0]!.fingerprint).failure;
      await mkdir(dirname(path), { recursive: true });
      await writeFile(
        path,
        sealJson({ message: `The toy is broken. ${'It was said at length. '.repeat(9)}`, id: '1' }),
      );
      return path;
    },
    use: async (path) => {
      // Another run fails, and leaves this, while this one waits for it.
      const content = await readFile(path).catch(() => undefined);
      await rm(path, { recursive: true });
      const lock = tryLock(path.replace('.failed.json', '.lock'))!;
      const events = runPipeline({
        ...{ pipeline: pipeline(), registry: toyRegistry(), runsRoot: runs },
        signal: new AbortController().signal,
      });
      let failed: { readonly code?: string; readonly message: string; readonly stack?: string } | undefined;
      await events.forEach((event) => {
        if (event.type === 'stage-waiting') {
          if (content === undefined) mkdirSync(path);
          else writeFileSync(path, content);
          lock.release();
        } else if (event.type === 'stage-failed') failed = event.failure;
      });
      expect(failed).toMatchObject({ code: 'failed-elsewhere' });
      expect(failed!.stack).toBeUndefined();
      return [failed!.message];
    },
  },
  '.lock of an output': {
    make: async () => {
      await ranOnce();
      return onlyIn('images', '.lock');
    },
    use: async (path) => {
      await writeFile(join(directory, 'data ä', 'a.png'), 'first');
      const lock = tryLock(path)!;
      const events: string[] = [];
      const waiting = runPipeline({
        ...{ pipeline: pipeline(), registry: toyRegistry(), runsRoot: runs, force: ['images'] },
        signal: new AbortController().signal,
      }).forEach((event) => {
        if (event.type === 'stage-waiting') {
          expect(event.holder).toBeUndefined();
          lock.release();
        }
        if (event.type === 'record-damaged') events.push(event.message);
      });
      await waiting;
      return events;
    },
    except: { empty: beingWritten, 'a folder': 'it cannot be locked, which is an error of its path' },
  },
  '.hashes': {
    make: async () => {
      await ranOnce();
      return onlyIn('.hashes');
    },
    use: () => ranWell('images cached', 'train cached', 'report cached'),
  },
  '.inputs': {
    make: async () => {
      await ranOnce();
      return onlyIn('.inputs');
    },
    use: async () => {
      await writeFile(join(directory, 'data ä', 'a.png'), 'other');
      const { stages } = await plan();
      expect(stages[0]!.reasons).toMatchObject([{ type: 'input-changed' }]);
      return [];
    },
  },
  '.pipelines.json': {
    make: async () => {
      await ranOnce();
      return store('.pipelines.json');
    },
    use: async () => {
      const { unknown } = await findReferences({
        ...{ runsRoot: runs, registry: toyRegistry(), named: [], folders: [] },
        scan: await scanRuns(runs),
      });
      const messages = unknown.map(({ message }) => message);
      const told = await ranWell('images cached', 'train cached', 'report cached');
      expect(told).toHaveLength(1);
      return messages;
    },
  },
  'sweep.json': {
    make: async () => {
      const [csv, json] = ['csv', 'json'].map((ending) => join(runs, 'toy', 'sweep', `sweep.${ending}`));
      const trial = { trial: 'a', status: 'finished', values: { seed: 1 }, metrics: {}, seconds: 1 } as const;
      const table = { keys: ['seed'], trials: [{ ...trial, pages: [] }] };
      await writeResults({ csv: csv!, json: json! }, pipeline(), table);
      expect(await readResults(json!)).toMatchObject({ pipeline: 'toy' });
      return json!;
    },
    use: async (path) => {
      expect(await readResults(path)).toBeUndefined();
      return [];
    },
  },
  'manifest.json of an output': {
    make: async () => {
      await ranOnce();
      return join(await onlyIn('train', ''), 'manifest.json');
    },
    use: () => ranWell('images cached', 'train damaged', 'train started', 'train finished', 'report cached'),
  },
  'NAME.lock.yaml': {
    make: async () => {
      await run(directory, pipeline(), { writeLock: true });
      return join(directory, 'toy.lock.yaml');
    },
    use: async (path) => {
      const text = await readFile(path, 'utf8').catch(() => undefined);
      if (text !== undefined) expect(() => parseLock(text, path)).toThrow(path);
      const { unknown } = await findReferences({
        ...{ runsRoot: runs, registry: toyRegistry(), named: [], folders: [directory] },
        scan: await scanRuns(runs),
      });
      return unknown.map(({ message }) => message);
    },
    // What it says is compared with what is there, not trusted: people review and merge it, and may replace it by other YAML.
    except: Object.fromEntries(
      Object.keys(damages).flatMap((name) =>
        ['a map of another shape', 'no text'].includes(name) ? [] : [[name, 'compared']],
      ),
    ),
  },
};

async function theRunOf(name: string) {
  return (await listRuns(runs)).find(({ record }) => record.pipeline === name)!;
}

export const messageOf = (error: unknown): readonly string[] => {
  if (!(error instanceof UserError)) throw error;
  return [error.message];
};

async function refusal(work: Promise<unknown>): Promise<UserError> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof UserError)) throw new Error('It was not refused.', { cause: error });
  return error;
}
