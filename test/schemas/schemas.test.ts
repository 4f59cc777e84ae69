import { Ajv } from 'ajv';
import { execa } from 'execa';
import { expect, it } from 'vitest';
import {
  decided,
  readSchema,
  type Schema,
  stageKinds,
  stageSchemas,
} from '../../src/runner/schema/schema.js';
import { withDefaults } from '../../src/runner/schema/defaults.js';

const pipeline = readSchema('pipeline.schema.json');
/** The kind; for its second schema the title. */
function nameOf(kind: string, { title }: Schema): string {
  return title?.toLowerCase() === `${kind}config` ? kind : title!;
}

const schemas = new Map([
  ['pipeline', pipeline],
  ...stageSchemas(pipeline).map(({ kind, schema }) => [nameOf(kind, schema), schema] as const),
]);

interface Property {
  readonly path: string;
  readonly schema: Schema;
}

function* properties(schema: Schema, path: string): Generator<Property> {
  for (const [key, property] of Object.entries(schema.properties ?? {})) {
    yield { path: `${path}.${key}`, schema: property };
    yield* properties(property, `${path}.${key}`);
  }
  for (const part of parts(schema)) yield* properties(part, path);
}

const listOf = (items: Schema['items'] = []): readonly Schema[] =>
  Array.isArray(items) ? (items as readonly Schema[]) : [items as Schema];

const parts = ({ anyOf = [], items, additionalProperties }: Schema): Schema[] => [
  ...anyOf,
  ...listOf(items),
  ...(typeof additionalProperties === 'object' ? [additionalProperties] : []),
];

function* maps(schema: Schema, path: string): Generator<Property> {
  if (schema.properties) yield { path, schema };
  for (const [key, property] of Object.entries(schema.properties ?? {}))
    yield* maps(property, `${path}.${key}`);
  for (const part of parts(schema)) yield* maps(part, `${path}[]`);
}

const all = [...schemas].flatMap(([name, schema]) => [...properties(schema, name)]);

/** The schema as any validator sees it, without our keywords. */
const ajv = new Ajv({ strict: false, meta: false, validateSchema: false });
const accepts = (schema: Schema, value: unknown): boolean => ajv.validate({ ...schema }, value);

it('describes every key in a sentence and gives an example', () => {
  const wanting = all.filter(
    ({ schema }) => !schema.description?.endsWith('.') || (schema.examples ?? []).length === 0,
  );
  expect(wanting.map(({ path }) => path)).toEqual([]);
  expect(all.length).toBeGreaterThan(60);
});

it('gives every key the types of its values, by which an error names what it must be', () => {
  const without = all.filter(({ schema: { type, anyOf } }) => type === undefined && anyOf === undefined);
  expect(without.filter(({ schema }) => !('const' in schema)).map(({ path }) => path)).toEqual([]);
});

it('gives examples and defaults that are valid', () => {
  for (const { path, schema } of all) {
    for (const example of schema.examples ?? []) expect(accepts(schema, example), path).toBe(true);
    if (schema.default !== undefined) expect(accepts(schema, schema.default), path).toBe(true);
    if (schema.default !== undefined)
      expect(accepts(schema, withDefaults(schema, schema.default)), path).toBe(true);
  }
});

it('refuses two alternatives of one type, of which the second would never be meant', () => {
  const map = (kind: string) => ({ type: 'object', properties: { kind: { enum: [kind] } } });
  expect(() => decided({ anyOf: [map('a'), map('b')] })).toThrow('Two alternatives of a schema');
  expect(() => decided({ anyOf: [{ type: 'string' }, map('b')] })).not.toThrow();
});

it('knows which keys change no output', () => {
  const without = all.filter(({ schema }) => schema.affectsOutput === false).map(({ path }) => path);
  expect(without).toEqual([
    'pipeline.runtime.device',
    'pipeline.runtime.tf32',
    'pipeline.runtime.deterministic',
    'pipeline.runtime.xla',
    'pipeline.runtime.workers',
    'pipeline.runtime.retries',
    'pipeline.runtime.threads',
    'PretrainedAutoencoderConfig.runtime.xla',
    'autoencoder.runtime.xla',
    'autoencoder.runtime.workers',
    'autoencoder.runtime.retries',
    'autoencoder.logEverySteps',
    'autoencoder.records',
    'autoencoder.checkpoint',
    'encode.runtime.xla',
    'encode.runtime.workers',
    'encode.runtime.retries',
    'encode.batch',
    'draw.runtime.xla',
    'draw.runtime.workers',
    'draw.runtime.retries',
    'draw.batch',
    'train.runtime.xla',
    'train.runtime.workers',
    'train.runtime.retries',
    'train.logEverySteps',
    'train.samples',
    'train.records',
    'train.checkpoint',
    'attention.runtime.xla',
    'sample.runtime.xla',
    'sample.runtime.workers',
    'sample.runtime.retries',
    'sample.batch',
    'evaluate.runtime.workers',
    'evaluate.runtime.retries',
    'evaluate.batch',
  ]);
});

it('marks every path as one, so that it starts at the file that it is written in', () => {
  const named = all.filter(
    ({ path, schema }) => /\.(path|file|\w+Path|\w+File)$/.test(path) && schema.type === 'string',
  );
  expect(named.filter(({ schema }) => schema.isPath !== true).map(({ path }) => path)).toEqual([]);
  expect(named.length).toBeGreaterThan(1);
});

it('refuses unknown keys in every map', () => {
  const open = [...schemas].flatMap(([name, schema]) =>
    [...maps(schema, name)].filter(({ schema: map }) => map.additionalProperties !== false),
  );
  expect(open.map(({ path }) => path)).toEqual(['pipeline.stages[]']);
});

it('has schemas for every kind, chosen by uses', () => {
  const chosen = stageSchemas(pipeline).map(({ kind, schema }) => [kind, schema.properties?.uses?.const]);
  for (const [kind, uses] of chosen) expect(uses).toBe(kind);
  expect([...new Set(chosen.map(([kind]) => kind))]).toEqual(stageKinds(pipeline));
});

it('lets a file leave to those it extends what a whole pipeline must have', () => {
  const { properties, ...parts } = pipeline;
  const whole = { ...parts, properties: { ...properties, sweep: {} } };
  expect(accepts(whole, { extends: 'quickstart.yaml', stages: { train: { steps: 3 } } })).toBe(true);
  expect(accepts(whole, { extends: 'quickstart.yaml', stages: { train: { uses: 'trian' } } })).toBe(false);
  expect(accepts(whole, { extends: 'quickstart.yaml', nmae: 'x' })).toBe(false);
  expect(accepts(whole, { name: 'x' })).toBe(false);
  expect(accepts(whole, { name: 'x', stages: { train: { steps: 3 } } })).toBe(false);
});

it('gives every named model of the train schema its sizes', () => {
  const name = schemas.get('train')?.properties?.model?.properties?.name;
  expect(Object.keys(name?.presets ?? {})).toEqual(name?.enum);
});

it('has generated types that are what the schemas give', async () => {
  const { exitCode, stderr } = await execa('npm', ['run', '--silent', 'check:generated'], { reject: false });
  expect(stderr).not.toContain('schemas/');
  expect(exitCode).toBe(0);
});
