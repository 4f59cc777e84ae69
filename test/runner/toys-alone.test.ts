import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { concatMap, defer, lastValueFrom, of, toArray } from 'rxjs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { CheckContext, PipelineRules } from '../../src/runner/check.js';
import { loadPipeline } from '../../src/runner/load.js';
import { readLock } from '../../src/runner/lock/lock-file.js';
import type { Pipeline, PipelineStage } from '../../src/runner/pipeline.js';
import { makePlan } from '../../src/runner/plan/plan.js';
import type { TimedRunEvent } from '../../src/runner/run/events.js';
import { type RunOptions, runPipeline } from '../../src/runner/run/run-pipeline.js';
import { readRun } from '../../src/runner/runs/run.js';
import { compileValidator } from '../../src/runner/schema/compile-validator.js';
import { readSchema } from '../../src/runner/schema/schema.js';
import type { StageEvent, StageKind, StageRegistry } from '../../src/runner/stage.js';
import type { Launcher } from '../../src/runner/sweep/launcher.js';
import { loadSweep } from '../../src/runner/sweep/load.js';
import { planSweep } from '../../src/runner/sweep/plan-sweep.js';
import { readResults, resultsName, sweepFolder } from '../../src/runner/sweep/results.js';
import { runSweep } from '../../src/runner/sweep/run-sweep.js';
import { trialsOf } from '../../src/runner/sweep/trial.js';

/** Bakery: dough of some flour, and bread of a dough. The runner knows of neither but by what it is handed here. */
const dough: StageKind<{ flour: number }> = {
  ...{ name: 'dough', codeVersion: 1, figures: ['flour'], amounts: ['flour'], dependsOnPrecision: false },
  externalInputs: () => [],
  checks: [
    ({ id, config }: PipelineStage<string, { flour: number }>, context: CheckContext) => {
      if (config.flour % 2 === 1)
        context.report(id, { at: 'flour', code: 'odd-flour', message: 'Flour comes in pairs.' });
    },
  ],
  run: ({ flour }, { directory }) =>
    defer(() => writeFile(join(directory, 'dough.txt'), String(flour))).pipe(
      concatMap(() => of<StageEvent>({ type: 'summary', values: { flour } })),
    ),
};

const bread: StageKind<{ dough: string; loaves: number }> = {
  ...{ name: 'bread', codeVersion: 1, figures: ['crumbs'], dependsOnPrecision: false },
  externalInputs: () => [],
  run: (config, context) =>
    defer(async () => {
      const { directory } = context;
      const flour = Number(await readFile(join(context.input(config.dough).directory, 'dough.txt'), 'utf8'));
      await writeFile(join(directory, 'bread.txt'), 'bread\n'.repeat(config.loaves));
      return flour * config.loaves;
    }).pipe(concatMap((crumbs) => of<StageEvent>({ type: 'summary', values: { crumbs } }))),
};

const stageSchema = (kind: string, properties: Readonly<Record<string, object>>, deciding?: string) => ({
  if: {
    required: ['uses', ...(deciding === undefined ? [] : [deciding])],
    properties: { uses: { const: kind } },
    ...(kind === 'dough' && deciding === undefined && { not: { required: ['shop'] } }),
  },
  then: {
    type: 'object',
    additionalProperties: false,
    required: ['uses', Object.keys(properties)[0]!],
    properties: { uses: { const: kind }, ...properties },
  },
});

const schema = {
  type: 'object',
  additionalProperties: false,
  required: ['name', 'stages'],
  properties: {
    name: { type: 'string' },
    seed: { type: 'integer', default: 0 },
    runtime: {
      type: 'object',
      default: {},
      properties: {
        ...{
          device: { default: 'cpu' },
          precision: { default: 'float32' },
          tf32: { default: true },
          deterministic: { default: false },
        },
        ...{ xla: { default: false }, workers: { default: 1 }, retries: { default: 0 } },
        threads: { default: 0 },
      },
    },
    sweep: readSchema('sweep.schema.json'),
    oven: { type: 'object', additionalProperties: false, properties: { heat: { type: 'integer' } } },
    stages: {
      type: 'object',
      additionalProperties: {
        type: 'object',
        required: ['uses'],
        properties: { uses: { type: 'string', enum: ['dough', 'bread'] } },
        allOf: [
          stageSchema('dough', { flour: { type: 'integer', minimum: 1 }, kneading: { type: 'integer' } }),
          // Bought where the key `shop` is there.
          stageSchema('dough', { shop: { type: 'string' } }, 'shop'),
          stageSchema('bread', {
            dough: { type: 'string', stageRef: ['dough'] },
            loaves: { type: 'integer', default: 1 },
          }),
        ],
      },
    },
  },
} as const;

const kinds = [dough, bread] as readonly StageKind<never>[];
const validate = compileValidator(schema);
const rules: PipelineRules = {
  schema: schema,
  errors: (value) => (validate(value) ? [] : (validate.errors ?? [])),
  checks: Object.fromEntries(kinds.map(({ name, checks = [] }) => [name, checks])) as PipelineRules['checks'],
};
const registry: StageRegistry = {
  rules,
  names: kinds.map(({ name }) => name),
  load: (wanted) => Promise.resolve(kinds.find(({ name }) => name === wanted)! as StageKind<unknown>),
};

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bakery-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function write(name: string, text: string): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, text);
  return file;
}

const bakery = (flour: number, rest = '') => `name: bakery
stages:
  paste: { uses: dough, flour: ${flour} }
  loaf: { uses: bread, dough: paste, loaves: 3 }
${rest}`;

const signal = new AbortController().signal;
const run = (pipeline: Pipeline, options: Partial<RunOptions> = {}) => {
  const here = { pipeline, registry, runsRoot: join(folder, 'runs'), signal };
  return lastValueFrom(runPipeline({ ...here, ...options }).pipe(toArray()));
};

const outcomes = (events: readonly TimedRunEvent[]) =>
  events.flatMap((event) =>
    event.type === 'stage-cached' || event.type === 'stage-finished'
      ? [`${event.stage} ${event.type.slice('stage-'.length)}`]
      : [],
  );

it('explains errors by the schema that it is handed', async () => {
  const of = async (text: string) => {
    const loaded = await loadPipeline(await write('wrong.yaml', text), { rules });
    return loaded.ok ? [] : loaded.diagnostics.map(({ message, remedy }) => `${message} ${remedy ?? ''}`);
  };
  expect(await of(bakery(2, 'heat: 200'))).toEqual([
    '`heat` is not a key of a pipeline. Did you mean `oven.heat`?',
  ]);
  expect(await of(bakery(2).replace('flour: 2', 'shop: mill, kneading: 3'))).toEqual([
    '`paste` takes either `shop` or `kneading`, not both. Remove `kneading`, or `shop`.',
  ]);
});

it('checks files by the schema, the references and the rules that it is handed', async () => {
  const of = async (text: string) => {
    const loaded = await loadPipeline(await write('wrong.yaml', text), { rules });
    return loaded.ok ? [] : loaded.diagnostics.map(({ code, line }) => `${line} ${code}`);
  };
  expect(await of(bakery(3))).toEqual(['3 odd-flour']);
  expect(await of(bakery(0))).toEqual(['3 out-of-range']);
  expect(await of(bakery(2).replace('dough: paste', 'dough: loaf'))).toEqual(['4 self-reference']);
  expect(await of(bakery(2).replace('dough: paste', 'dough: past'))).toEqual(['4 unknown-stage']);
  expect(await of('name: bakery\nstages:\n  sky: { uses: rain }\n')).toEqual(['3 unknown-kind']);
});

it('plans, runs, caches and locks them', async () => {
  const file = await write('bakery.yaml', bakery(2));
  const loaded = await loadPipeline(file, { rules });
  if (!loaded.ok) throw new Error('invalid');
  const plan = await makePlan({ pipeline: loaded.pipeline, registry, runsRoot: join(folder, 'runs') });
  expect(plan.stages.map(({ stage, reasons }) => [stage.id, reasons.length])).toEqual([
    ['paste', 1],
    ['loaf', 1],
  ]);
  const events = await run(loaded.pipeline, { writeLock: true });
  expect(outcomes(events)).toEqual(['paste finished', 'loaf finished']);
  const { figures } = (await readRun(join(folder, 'runs/bakery/latest')))!;
  expect(figures).toEqual([{ stage: 'loaf', name: 'crumbs', value: 6 }]);
  const lock = await readLock(file);
  expect(lock.stages.loaf).toMatchObject({ kind: 'bread', config: { loaves: 3 } });
  expect(outcomes(await run(loaded.pipeline, { locked: lock }))).toEqual(['paste cached', 'loaf cached']);
  const other = await loadPipeline(file, { rules, set: ['stages.loaf.loaves=4'] });
  if (!other.ok) throw new Error('invalid');
  await expect(run(other.pipeline, { locked: lock })).rejects.toMatchObject({
    differences: [{ key: 'stages.loaf.loaves', locked: 3, found: 4 }],
  });
});

it('runs a sweep over them', async () => {
  const file = await write('sweep.yaml', bakery(2, 'sweep: { grid: { stages.paste.flour: [2, 4] } }\n'));
  const loaded = await loadSweep(file, { rules });
  if (!loaded.ok) throw new Error('invalid');
  const runsRoot = join(folder, 'runs');
  const planned = await planSweep({ trials: trialsOf(loaded.trials!), registry, runsRoot });
  const launcher: Launcher = async ({ trial, tell }) => {
    (await run(trial.pipeline)).forEach(tell);
    return { code: 0 };
  };
  const options = { pipeline: loaded.pipeline, planned, runsRoot, launcher: () => launcher, signal };
  const events = await lastValueFrom(
    runSweep({
      ...options,
      ...{ kill: signal, retries: 0, retryPauseSeconds: 0, timeLimitSeconds: undefined },
      ...{ parallel: 1, keepGoing: false },
    }).pipe(toArray()),
  );
  const results = events.flatMap((event) => (event.type === 'sweep-finished' ? event.results : []));
  expect(results.map(({ metrics }) => metrics['loaf.crumbs'])).toEqual([6, 12]);
  expect(results.map(({ status }) => status)).toEqual(['cached', 'finished']);
  const table = await readResults(join(sweepFolder(runsRoot, 'bakery'), resultsName));
  expect(table).toMatchObject({ amounts: ['paste.flour'] });
});
