import { nearest } from '../../base/nearest.js';
import { code, oneOf, type Problem } from '../diagnostics.js';
import { applicable, memberSchema } from '../schema/alternatives.js';
import { pipelineSchema, type Schema, type SchemaError, stageSchemas } from '../schema/schema.js';
import { optionFile, type Span } from '../yaml/text.js';
import { plain, spanAt, type Tree, type TreePath } from '../yaml/tree.js';
import {
  atKey,
  duplicateItem,
  emptyMap,
  emptyText,
  type Explainer,
  type Facts,
  nameOf,
  notASquare,
  outOfRange,
  pathOf,
  reservedName,
  tooLong,
  unknownValue,
  wrongFormat,
  wrongLength,
  wrongType,
} from './values.js';

const missingKey: Explainer = (facts) => {
  const key = String(facts.error.params.missingProperty);
  const { unknown, free } = keysOf(facts);
  if (unknown.some((other) => nearest(other, free) === key)) return [];
  const description = facts.schema.properties?.[key]?.description;
  return [
    atKey(facts, {
      code: 'missing-key',
      message: `${facts.name} needs the key ${code(key)}.`,
      remedy: description === undefined ? undefined : `${code(key)}: ${description}`,
    }),
  ];
};

const unknownKey: Explainer = (facts) => {
  const key = String(facts.error.params.additionalProperty);
  const { known, free } = keysOf(facts);
  const list = listWithoutBrackets(facts, key);
  if (list) return [list];
  const elsewhere = nearPlace(facts, key);
  const near = elsewhere ?? nearest(key, free) ?? nearest(key, known);
  const holder = facts.path.length === 0 ? 'a pipeline' : facts.name.replace(/^Item/, 'item');
  const kind = facts.path.length === 2 ? ` (a stage of kind ${code(dataOf(facts).uses)})` : '';
  return [
    {
      code: 'unknown-key',
      message: `${code(key)} is not a key of ${holder}${kind}.`,
      remedy: near === undefined ? `Its keys: ${known.map(code).join(', ')}.` : `Did you mean ${code(near)}?`,
      span: spanAt(facts.root, [...facts.path, key], 'key'),
    },
  ];
};

/** `{ classes: cat,dog }`, which YAML takes for a key `dog` without a value. */
function listWithoutBrackets({ root, path, error }: Facts, key: string): Problem | undefined {
  const entries = Object.entries(error.data as Readonly<Record<string, unknown>>);
  const at = entries.findIndex(([name]) => name === key);
  const first = entries.findLastIndex(([, value], i) => i < at && value !== null);
  const members = entries.slice(first + 1, at + 1);
  const span = spanAt(root, [...path, key], 'key');
  const { text } = span.source;
  const isBare = /[\w'"],\s*$/.test(text.slice(0, span.start)) && /^\s*[,}]/.test(text.slice(span.end));
  if (first < 0 || !isBare || members.some(([, value]) => value !== null)) return undefined;
  const [holder, value] = entries[first]!;
  const list = [value, ...members.map(([name]) => name)].map(String).join(', ');
  return {
    code: 'list-without-brackets',
    message: `A list is written in brackets; ${code(key)} would be a key without a value.`,
    remedy: `Write ${code(`${holder}: [${list}]`)}.`,
    span,
  };
}

/** A place one level up or down, or below `stages`, where the key is known, as a dotted path. */
function nearPlace({ path, root, error }: Facts, key: string): string | undefined {
  const whole = plain(root) as Readonly<Record<string, unknown>>;
  const stages = whole.stages ?? {};
  if (path.length === 0 && Object.hasOwn(stages, key)) return `stages.${key}`;
  const data = error.data as Readonly<Record<string, unknown>>;
  const value = data[key];
  if (path.length === 0 && typeof value === 'object' && value !== null && Object.hasOwn(value, 'uses'))
    return `stages.${key}`;
  for (const [name, property] of Object.entries(schemaAt(whole, path).properties ?? {})) {
    const maps = [property, ...(property.anyOf ?? [])];
    if (maps.some(({ properties }) => properties && Object.hasOwn(properties, key))) return `${name}.${key}`;
  }
  const above = path.slice(0, -1);
  if (path.length < 1 || /^\d+$/.test(path.at(-1)!)) return undefined;
  const { properties = {} } = schemaAt(whole, above);
  return Object.hasOwn(properties, key) ? [...above, key].join('.') : undefined;
}

/**
 * The schema that a value of a pipeline is judged by, whole. That of an error is not: in the check that the build writes,
 * its larger parts are references.
 */
function schemaAt(whole: unknown, path: readonly string[]): Schema {
  let [at, of]: [unknown, Schema] = [whole, applicable(pipelineSchema(), whole)];
  for (const name of path) {
    const member = memberSchema(of, name, Array.isArray(at));
    at = (at as Readonly<Record<string, unknown>>)[name];
    of = member ? applicable(member, at) : {};
  }
  return of;
}

/** Keys of training beside `weights`, which takes a trained autoencoder: one problem instead of one a key. */
export function trainedAndTaken(
  errors: readonly SchemaError[],
  root: Tree,
): [Problem[], readonly SchemaError[]] {
  const training = stageSchemas(pipelineSchema()).find(
    ({ kind, schema }) => kind === 'autoencoder' && !Object.hasOwn(schema.properties!, 'weights'),
  )!.schema.properties!;
  const isOfTraining = ({ keyword, parentSchema, params }: SchemaError): boolean =>
    keyword === 'additionalProperties' &&
    (parentSchema as Schema).title === 'PretrainedAutoencoderConfig' &&
    Object.hasOwn(training, String(params.additionalProperty));
  const found = errors.filter(isOfTraining);
  const problems = [...new Set(found.map(({ instancePath }) => instancePath))].map((pointer): Problem => {
    const path = pathOf(pointer);
    const keys = found
      .filter(({ instancePath }) => instancePath === pointer)
      .map(({ params }) => String(params.additionalProperty));
    const span = spanAt(root, [...path, 'weights'], 'key');
    const below = keys.some((key) => spanAt(root, [...path, key], 'key').source !== span.source);
    return {
      code: 'conflicting-keys',
      message: `${nameOf(path)} either takes trained ${code('weights')} or trains with ${oneOf(keys.map(code), 'and')}, not both.`,
      remedy: below
        ? removal(keys, path, span)
        : `Remove ${oneOf(keys.map(code), 'and')}, or ${code('weights')}.`,
      span,
      related: [{ message: `${code(keys[0])} is here`, span: spanAt(root, [...path, keys[0]!], 'key') }],
    };
  });
  return [problems, errors.filter((error) => !found.includes(error))];
}

const notExactlyOne: Explainer = (facts) => {
  const groups = facts.error.schema as Groups;
  const data = dataOf(facts);
  const present = groups.map((group) => group.filter((key) => Object.hasOwn(data, key)));
  const begun = groups.filter((_, i) => present[i]!.length > 0);
  if (begun.length > 1) return [conflict(facts, present.flat(), groups)];
  const { unknown, free } = keysOf(facts);
  if (unknown.some((other) => groups.flat().includes(nearest(other, free) ?? ''))) return [];
  const missing = begun[0]?.filter((key) => !Object.hasOwn(data, key)).map(code);
  const needed = missing ? `${oneOf(missing, 'and')} too` : inWords(groups);
  return [atKey(facts, { code: 'missing-key', message: `${facts.name} needs ${needed}.` })];
};

type Groups = readonly (readonly string[])[];

const inWords = (groups: Groups): string => oneOf(groups.map((keys) => oneOf(keys.map(code), 'and')));

function conflict({ root, path, name }: Facts, present: readonly string[], groups: Groups): Problem {
  const written = present.map((key) => ({ key, span: spanAt(root, [...path, key], 'key') }));
  const sources = new Set(written.map(({ span }) => span.source));
  const upper = written.find(
    ({ span }) => span.source.file === optionFile || (sources.size > 1 && span.source === root.span.source),
  );
  const main = upper ?? written.at(-1)!;
  const group = groups.find((keys) => keys.includes(main.key))!;
  const others = written.filter(({ key }) => !group.includes(key));
  const names = others.map(({ key }) => key);
  return {
    code: 'conflicting-keys',
    message: `${name} takes either ${inWords(groups)}, not both.`,
    remedy: upper
      ? removal(names, path, main.span)
      : `Remove ${oneOf(names.map(code), 'and')}, or ${code(main.key)}.`,
    span: main.span,
    related: others.map(({ key, span }) => ({ message: `${code(key)} is here`, span })),
  };
}

/** Tells how a file removes keys that a file below it has written. */
function removal(keys: readonly string[], path: TreePath, { source }: Span): string {
  const others = keys.length === 1 ? 'the other' : 'the others';
  return source.file === optionFile
    ? `Remove ${others} with ${keys.map((key) => `--set ${[...path, key].join('.')}=null`).join(' ')}`
    : `Remove ${others} with ${code(keys.map((key) => `${key}: null`).join(', '))}.`;
}

const dataOf = ({ error }: Facts) => error.data as Readonly<Record<string, unknown>>;

/** Keys that the schema knows, those of them that are not written, and written ones that it does not know. */
function keysOf(facts: Facts): { known: string[]; free: string[]; unknown: string[] } {
  const known = Object.keys(facts.schema.properties ?? {});
  const written = Object.keys(dataOf(facts));
  return {
    known,
    free: known.filter((key) => !written.includes(key)),
    unknown: written.filter((key) => !known.includes(key)),
  };
}

const nothing: Explainer = () => [];

/** Explainers by keyword of the schema. Those without an explanation only follow from errors that have one. */
const explainers: Readonly<Record<string, Explainer>> = {
  additionalItems: nothing,
  additionalProperties: unknownKey,
  const: nothing,
  enum: unknownValue,
  exactlyOneOf: notExactlyOne,
  exclusiveMaximum: outOfRange,
  exclusiveMinimum: outOfRange,
  if: nothing,
  maxItems: wrongLength,
  maximum: outOfRange,
  minItems: wrongLength,
  maxLength: tooLong,
  minLength: emptyText,
  minProperties: emptyMap,
  minimum: outOfRange,
  not: reservedName,
  pattern: wrongFormat,
  perfectSquare: notASquare,
  propertyNames: nothing,
  required: missingKey,
  shapes: wrongType,
  type: wrongType,
  uniqueItems: duplicateItem,
};

/** Explains an error of the validator to a person; empty for one that only follows from others. */
export function explain(error: SchemaError, root: Tree): Problem[] {
  const explainer = explainers[error.keyword];
  if (!explainer) throw new Error(`The schema keyword "${error.keyword}" has no explanation.`);
  const path = pathOf(error.instancePath);
  return explainer({ error, path, root, schema: error.parentSchema as Schema, name: nameOf(path) });
}
