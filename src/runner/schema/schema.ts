import { fileURLToPath } from 'node:url';
import type { ErrorObject } from 'ajv';
import { readWholeTextSync } from '../../base/files.js';
import { isMap } from '../../base/is-map.js';

/** Error of a value, as ajv reports it; `parentSchema` and `data` are always there. */
export type SchemaError = ErrorObject;

/** Test of a value's validity; `errors` are those of the last call. */
export interface Validator {
  (value: unknown): boolean;
  errors?: readonly SchemaError[] | null;
}

/** The part of JSON Schema (draft 07) that the schemas of this project use, and our own keywords. */
export interface Schema {
  readonly $ref?: string;
  readonly title?: string;
  readonly description?: string;
  readonly examples?: readonly unknown[];
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  /** Sentence about each value of `enum`, for editors. */
  readonly enumDescriptions?: readonly string[];
  readonly const?: unknown;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly propertyNames?: Schema;
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema | readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly if?: Schema;
  readonly then?: Schema;
  readonly else?: Schema;
  readonly not?: Schema;
  /** Unit of a number, for documentation. */
  readonly unit?: string;
  readonly pattern?: string;
  /** Meaning of `pattern` or `perfectSquare`, in words. */
  readonly patternHint?: string;
  /** The string is the path of a file or folder; a relative one starts at the file that it is written in. */
  readonly isPath?: true;
  /** The path may be an address, such as `hf://owner/name/file`; the kind of the stage checks it. */
  readonly mayBeAddress?: true;
  /** The string is a path where a file or folder is there, or begins with a dot, and else a name of another kind. */
  readonly mayBePath?: true;
  /** The string is the id of a stage of one of these kinds. */
  readonly stageRef?: readonly string[] | 'any';
  /**
   * `false` where another value gives the same result, only faster, or logged or saved more often: it reuses outputs and
   * continues interrupted sessions that were made with another value.
   */
  readonly affectsOutput?: false;
  /**
   * Value that the key's absence stands for: written, it is left out. Unlike a default, such a key changes no fingerprint
   * of the configurations that were there before it.
   */
  readonly absentMeans?: unknown;
  /** The integer is the square of an integer. */
  readonly perfectSquare?: true;
  /** Exactly one of these groups of keys is present, and whole. */
  readonly exactlyOneOf?: readonly (readonly string[])[];
  /** Values of its sibling keys for each value of this key. */
  readonly presets?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** Folder of the schema files: at the same depth below the sources and below the build. */
export const schemaDirectory = new URL('../../../schemas/', import.meta.url);

/**
 * Reads a schema file with every `$ref` replaced by what it refers to, keys beside the `$ref` winning.
 *
 * @param path relative to the folder of schemas, such as `stages/train.schema.json`
 */
export function readSchema(path: string): Schema {
  return inline(new URL(path, schemaDirectory), new Map());
}

/** File to which the build writes the check of pipelines, beside this module. */
export const validatorFile = fileURLToPath(new URL('pipeline-validator.cjs', import.meta.url));

let whole: Schema | undefined;

/** The schema of pipelines, every reference in it resolved; read once a process. */
export const pipelineSchema = (): Schema => (whole ??= ofWholePipeline(readSchema('pipeline.schema.json')));

/**
 * The schema of pipelines as it is where nothing is left to extend: a file that extends others may leave to them what the
 * whole must have, and its editor is told so by an `else`, which this makes part of the schema.
 */
export function ofWholePipeline(pipeline: Schema): Schema {
  const { else: demanded, properties } = pipeline;
  const stages = properties!.stages!;
  const ofStage = demanded!.properties!.stages!.additionalProperties as Schema;
  const stage = { ...(stages.additionalProperties as Schema), ...ofStage };
  const whole: Schema = {
    ...pipeline,
    ...demanded,
    properties: { ...properties, stages: { ...stages, additionalProperties: stage } },
  };
  return Object.fromEntries(Object.entries(whole).filter(([keyword]) => !['if', 'else'].includes(keyword)));
}

/** Kinds of stage, in the order of the pipeline's schema. */
export function stageKinds(pipeline: Schema): readonly string[] {
  const stage = pipeline.properties?.stages?.additionalProperties as Schema;
  return stage.properties?.uses?.enum as readonly string[];
}

/** The schema of a kind of stage, or one of several, which the keys that are written decide between. */
interface StageSchema {
  readonly kind: string;
  /** Keys whose presence decides on this schema; none where it is the kind's usual one. */
  readonly deciding: readonly string[];
  readonly schema: Schema;
}

/** The schemas of every kind of stage. */
export function stageSchemas(pipeline: Schema): readonly StageSchema[] {
  const { allOf = [] } = pipeline.properties!.stages!.additionalProperties as Schema;
  return allOf.map(({ if: condition, then }) => ({
    kind: condition!.properties!.uses!.const as string,
    deciding: condition!.required!.filter((key) => key !== 'uses'),
    schema: then!,
  }));
}

function inline(url: URL, files: Map<string, unknown>): Schema {
  const address = new URL(url);
  address.hash = '';
  if (!files.has(address.href)) files.set(address.href, JSON.parse(readWholeTextSync(address)));
  let target = files.get(address.href);
  for (const key of url.hash.split('/').slice(1)) target = (target as Record<string, unknown>)[key];
  return inlineRefs(target, address, files) as Schema;
}

function inlineRefs(node: unknown, base: URL, files: Map<string, unknown>): unknown {
  if (Array.isArray(node)) return node.map((item) => inlineRefs(item, base, files));
  if (typeof node !== 'object' || node === null) return node;
  const own = Object.fromEntries(
    Object.entries(node)
      .filter(([key]) => key !== '$ref')
      .map(([key, value]) => [key, inlineRefs(value, base, files)]),
  );
  if (!('$ref' in node)) return own;
  return { ...inline(new URL(node.$ref as string, base), files), ...own };
}

/**
 * The alternatives of an `anyOf` in our schemas differ in the type of value they take, or, among lists, in
 * whether their items are maps. So the value decides which one is meant, and only that one is reported on.
 */
type Shape = 'text' | 'number' | 'boolean' | 'map' | 'list of maps' | 'list';

const words: Readonly<Record<Shape, string>> = {
  text: 'text',
  number: 'a number',
  boolean: 'true, false',
  map: 'a map',
  'list of maps': 'a list of maps',
  list: 'a list',
};

const tests: Readonly<Record<Shape, object>> = {
  text: { type: 'string' },
  number: { type: 'number' },
  boolean: { type: 'boolean' },
  map: { type: 'object' },
  'list of maps': { type: 'array', contains: { type: 'object' } },
  list: { type: 'array' },
};

function shapeOf({ type, items }: Schema): Shape {
  if (type === 'string') return 'text';
  if (type === 'integer' || type === 'number') return 'number';
  if (type === 'boolean') return 'boolean';
  if (type === 'object') return 'map';
  if (type === 'array') return items && 'type' in items && items.type === 'object' ? 'list of maps' : 'list';
  throw new Error(`An alternative of a schema must have one type; found ${JSON.stringify(type)}.`);
}

function fits(value: unknown, shape: Shape): boolean {
  switch (shape) {
    case 'text':
      return typeof value === 'string';
    case 'number':
    case 'boolean':
      return typeof value === shape;
    case 'map':
      return isMap(value);
    case 'list of maps':
      return Array.isArray(value) && value.some(isMap);
    case 'list':
      return Array.isArray(value);
  }
}

/** Alternatives with those first that the test of another would also take. */
const ordered = (alternatives: readonly Schema[]): Schema[] =>
  [...alternatives].sort(
    (a, b) => Number(shapeOf(b) === 'list of maps') - Number(shapeOf(a) === 'list of maps'),
  );

/** The schema that a value is to be judged by: an alternative of `anyOf`, the kind that `uses` names, or itself. */
export function applicable(schema: Schema, value: unknown): Schema {
  if (schema.anyOf) {
    return ordered(schema.anyOf).find((alternative) => fits(value, shapeOf(alternative))) ?? schema;
  }
  const chosen = schema.allOf?.find((conditional) => conditional.if && meets(value, conditional.if));
  return chosen?.then ?? schema;
}

function meets(value: unknown, { required = [], properties = {}, not }: Schema): boolean {
  if (!isMap(value)) return false;
  const map = value as Record<string, unknown>;
  return (
    required.every((key) => Object.hasOwn(map, key)) &&
    Object.entries(properties).every(([key, { const: expected }]) => map[key] === expected) &&
    (not === undefined || !meets(value, not))
  );
}

/**
 * The same schema for a validator: every `anyOf` becomes a chain of if, then and else on the type of the value,
 * so that errors come from the alternative that was meant. `orElse` holds the others in words.
 */
export function decided(schema: Schema): object {
  if (!schema.anyOf) {
    return Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, decidedPart(value)]));
  }
  const { anyOf, ...rest } = schema;
  const shapes = anyOf.map(shapeOf);
  if (new Set(shapes).size < shapes.length)
    throw new Error(
      `Two alternatives of a schema take ${shapes.map((shape) => words[shape]).join(', ')}: of the same type only the first would ever be meant. Make them one.`,
    );
  const chain = ordered(anyOf).reduceRight<object>(
    (otherwise, alternative) => {
      const shape = shapeOf(alternative);
      const orElse = shapes.filter((other) => other !== shape).map((other) => words[other]);
      return { if: tests[shape], then: { ...decided(alternative), orElse }, else: otherwise };
    },
    { shapes: shapes.map((shape) => words[shape]) },
  );
  return { ...rest, ...chain };
}

function decidedPart(part: unknown): unknown {
  if (Array.isArray(part)) return part.map(decidedPart);
  return isMap(part) ? decided(part) : part;
}

/** The schema of a member of a map or list; nothing where the schema says nothing about it. */
export function memberSchema(schema: Schema, key: string, inList: boolean): Schema | undefined {
  if (inList) {
    const { items } = schema;
    return Array.isArray(items) ? (items as readonly Schema[])[Number(key)] : (items as Schema | undefined);
  }
  const { properties, additionalProperties: others } = schema;
  if (properties && Object.hasOwn(properties, key)) return properties[key];
  return typeof others === 'object' ? others : undefined;
}
