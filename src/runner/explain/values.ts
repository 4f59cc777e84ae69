import { asText, counted, inWords } from '../../base/format.js';
import { nearest } from '../../base/nearest.js';
import { code, type Problem } from '../diagnostics.js';
import { applicable, memberSchema, type Schema, type SchemaError } from '../schema/schema.js';
import { plain, spanAt, type Tree, type TreePath } from '../yaml/tree.js';

const typeWords: Readonly<Record<string, string>> = {
  string: 'text',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  object: 'a map',
  array: 'a list',
};

const wrongType: Explainer = (facts) => {
  const { data, params, keyword, schema } = facts.error;
  if (facts.schema.enum && Array.isArray(facts.schema.type)) return [];
  const types =
    keyword === 'shapes'
      ? (schema as string[])
      : [params.type as string | string[]].flat().map((type) => typeWords[type]!);
  const expected = inWords([...types, ...(facts.schema.orElse ?? [])], 'or');
  return [
    atValue(facts, {
      code: 'wrong-type',
      message: `${facts.name} must be ${expected}; ${found(data)} was found.`,
      remedy: typeRemedy(facts, types, data),
    }),
  ];
};

/** Suggests how to write what was probably meant. */
function typeRemedy(facts: Facts, types: readonly string[], data: unknown): string | undefined {
  if (data === null) return nothingRemedy(facts);
  const [type = ''] = types;
  const all = [...types, ...(facts.schema.orElse ?? [])];
  const takes = (name: string): boolean => all.some((other) => other.includes(name));
  if (type === 'text' && (typeof data === 'number' || typeof data === 'boolean'))
    return `Put it in quotes: '${data}'.`;
  if (typeof data === 'string' && takes('number')) {
    const number = numberIn(data);
    if (number !== undefined)
      return number === data.trim() ? `Write it without quotes: ${data}.` : `Write ${number}.`;
  }
  if (typeof data === 'string' && takes('true')) {
    const meant = /^(yes|on|y|true)$/i.test(data)
      ? 'true'
      : /^(no|off|n|false)$/i.test(data)
        ? 'false'
        : undefined;
    if (meant !== undefined) return `Write ${meant}, without quotes.`;
  }
  const list = Array.isArray(data) ? data : asText(data).split(/\s*,\s*/);
  if (takes('a list') && typeof data !== 'object') return `Write a list: ${flow(list)}.`;
  if (takes('a map') && (Array.isArray(data) || typeof data === 'string')) {
    const { pipeline, root, path } = facts;
    const holder = schemaAt(pipeline, plain(root), path.slice(0, -1));
    const form = listForm(holder.properties?.[path.at(-1)!] ?? {}, list);
    if (form !== undefined) return `Write ${form}.`;
  }
  const example = facts.schema.examples?.find((one) => typeof one === 'object');
  return takes('a map') && example !== undefined ? `For example: ${flow(example)}.` : undefined;
}

/**
 * The schema that a value of a pipeline is judged by, whole. That of an error is not: in the check that the build writes,
 * its larger parts are references.
 */
export function schemaAt(pipeline: Schema, whole: unknown, path: readonly string[]): Schema {
  let [at, of]: [unknown, Schema] = [whole, applicable(pipeline, whole)];
  for (const name of path) {
    const member = memberSchema(of, name, Array.isArray(at));
    at = (at as Readonly<Record<string, unknown>>)[name];
    of = member ? applicable(member, at) : {};
  }
  return of;
}

/** A list as a key takes it: alone, or in a map whose one needed key holds it; undefined where it takes none. */
export function listForm(schema: Schema, list: readonly unknown[]): string | undefined {
  const isList = ({ type }: Schema) => [type].flat().includes('array');
  const forms = [schema, ...(schema.anyOf ?? [])];
  if (forms.some(isList)) return flow(list);
  for (const { required = [], properties = {} } of forms) {
    const [key] = required;
    if (required.length === 1 && isList(properties[key!] ?? {})) return `{ ${key}: ${flow(list)} }`;
  }
  return undefined;
}

/** Remedy for a missing value, which is written in several ways, and comes of a `#` that starts a comment. */
function nothingRemedy({ root, path, name, schema }: Facts): string {
  const { source, start } = spanAt(root, path, 'key');
  const [line = ''] = source.text.slice(start).split('\n');
  const written = spanAt(root, path, 'value');
  if (source.text.slice(written.start, written.end) === '~')
    return 'In YAML `~` alone means nothing. For the home folder write `${env:HOME}`.';
  const comment = /^[^\s:]*\s*:\s+(#[^\s,}\]]+)/.exec(line)?.[1];
  if (comment !== undefined)
    return `A # after a space starts a comment. Put the value in quotes: '${comment}'.`;
  const usual = schema.default === undefined ? '' : ` for its default, ${code(schema.default)}`;
  return `Give ${name.replace(/^Item/, 'item')} a value, or remove the key${usual}.`;
}

/** The number that a text holds in a way that YAML does not know: `1_000`, `1,000`, `0,5`, `10k`, `64px`. */
function numberIn(text: string): string | undefined {
  const trimmed = text.trim();
  if (trimmed !== '' && Number.isFinite(Number(trimmed))) return trimmed;
  if (/^[+-]?(?:0,\d+|\d+,(?!\d{3}$)\d+)$/.test(trimmed)) return trimmed.replace(',', '.');
  const [, digits = '', unit = ''] =
    /^([+-]?\d[\d_,' ]*(?:\.\d+)?(?:e[+-]?\d+)?)\s*([a-z%]*)$/i.exec(trimmed) ?? [];
  const number = Number(digits.replaceAll(/[_,' ]/g, ''));
  if (digits === '' || !/^[+-]?\d+$|[_' ]|,\d{3}(?!\d)|[.e]/i.test(digits)) return undefined;
  const factor = { k: 1e3, m: 1e6, '%': 0.01 }[unit.toLowerCase()] ?? 1;
  return String(number * factor);
}

/** A value as YAML in one line. */
function flow(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return String(value);
  return `{ ${Object.entries(value)
    .map(([key, item]) => `${key}: ${flow(item)}`)
    .join(', ')} }`;
}

const unknownValue: Explainer = (facts) => {
  const { data, params } = facts.error;
  const values = params.allowedValues as readonly unknown[];
  if (typeof data !== 'string' && values.every((value) => typeof value === 'string')) return [];
  const near = typeof data === 'string' ? nearest(data, values.map(String)) : undefined;
  const expected = inWords([...values.map(code), ...(facts.schema.orElse ?? [])], 'or');
  const isKind = facts.path.length === 3 && facts.path[2] === 'uses';
  return [
    atValue(facts, {
      code: isKind ? 'unknown-kind' : 'unknown-value',
      message: `${facts.name} must be ${expected}; ${found(data)} was found.`,
      remedy:
        near === undefined
          ? typeRemedy(facts, facts.schema.orElse ?? [], data)
          : `Did you mean ${code(near)}?`,
    }),
  ];
};

const comparisons: Readonly<Record<string, string>> = {
  '>=': 'at least',
  '<=': 'at most',
  '>': 'greater than',
  '<': 'less than',
};

const outOfRange: Explainer = (facts) => {
  const { params, data } = facts.error;
  const expected = `${comparisons[String(params.comparison)]!} ${String(params.limit)}`;
  return [
    atValue(facts, {
      code: 'out-of-range',
      message: `${facts.name} must be ${expected}; ${found(data)} was found.`,
    }),
  ];
};

const wrongFormat: Explainer = (facts) => {
  const hint = facts.schema.patternHint ?? `text that matches ${String(facts.error.params.pattern)}`;
  const told = {
    code: 'wrong-format',
    message: `${facts.name} must be ${hint}; ${found(facts.error.data)} was found.`,
  };
  return [ofText(facts, told, 'cannot be the id of a stage', `An id is ${hint}.`)];
};

const tooLong: Explainer = (facts) => {
  const data = String(facts.error.data);
  const most = `at most ${String(facts.error.params.limit)} characters`;
  const message = `${facts.name} must have ${most}; ${data.length} were found.`;
  return [
    ofText(facts, { code: 'too-long', message }, `is too long for the id of a stage, which has ${most}`),
  ];
};

/** Names of folders that runs have themselves. */
const reservedName: Explainer = (facts) => {
  const message = `${facts.name} cannot be ${code(facts.error.data)}, which is a folder that runs have themselves.`;
  return [
    ofText(
      facts,
      { code: 'name-reserved', message, remedy: 'Choose another name.' },
      'cannot be the id of a stage: runs have a folder of that name themselves',
    ),
  ];
};

/** A problem of a text: of a value, or of the id of a stage, which is said in words of its own. */
function ofText(facts: Facts, told: Told, ofId: string, remedy = told.remedy): Problem {
  const { propertyName } = facts.error;
  if (propertyName === undefined) return atValue(facts, told);
  return {
    code: 'wrong-stage-id',
    message: `${code(propertyName.length > 60 ? `${propertyName.slice(0, 60)}…` : propertyName)} ${ofId}.`,
    remedy,
    span: spanAt(facts.root, [...facts.path, propertyName], 'key'),
  };
}

const emptyText: Explainer = (facts) => [
  atValue(facts, { code: 'empty-text', message: `${facts.name} must not be empty.` }),
];

const emptyMap: Explainer = (facts) => [
  facts.path.join('.') === 'stages'
    ? atKey(facts, { code: 'no-stages', message: `${facts.name} must hold at least one stage.` })
    : atKey(facts, { code: 'empty-map', message: `${facts.name} must have at least one key.` }),
];

const wrongLength: Explainer = (facts) => {
  const { keyword, params, data } = facts.error;
  const { minItems, maxItems } = facts.schema;
  const bound = keyword === 'minItems' ? 'at least ' : 'at most ';
  const expected = `${minItems === maxItems ? '' : bound}${counted(Number(params.limit), 'item')}`;
  const length = counted((data as unknown[]).length, 'item');
  return [
    atValue(facts, {
      code: 'wrong-length',
      message: `${facts.name} must have ${expected}; ${length} found.`,
    }),
  ];
};

const duplicateItem: Explainer = (facts) => {
  const { i, j } = facts.error.params as { i: number; j: number };
  const span = (index: number) => spanAt(facts.root, [...facts.path, String(index)], 'value');
  const later = Math.max(i, j);
  return [
    {
      code: 'duplicate-item',
      message: `${code((facts.error.data as unknown[])[later])} is in ${facts.name} twice.`,
      remedy: 'Keep one of the two.',
      span: span(later),
      related: [{ message: 'first used here', span: span(Math.min(i, j)) }],
    },
  ];
};

const notASquare: Explainer = (facts) => {
  const value = Number(facts.error.data);
  const root = Math.floor(Math.sqrt(value));
  return [
    atValue(facts, {
      code: 'not-a-square',
      message: `${facts.name} must be ${facts.schema.patternHint ?? 'a perfect square'}; ${code(value)} was found.`,
      remedy: `The nearest are ${root ** 2} and ${(root + 1) ** 2}.`,
    }),
  ];
};

/** Explainers by keyword of the schema, of those that are about a value by itself. */
export const valueExplainers: Readonly<Record<string, Explainer>> = {
  enum: unknownValue,
  exclusiveMaximum: outOfRange,
  exclusiveMinimum: outOfRange,
  maxItems: wrongLength,
  maximum: outOfRange,
  maxLength: tooLong,
  minItems: wrongLength,
  minimum: outOfRange,
  minLength: emptyText,
  minProperties: emptyMap,
  not: reservedName,
  pattern: wrongFormat,
  perfectSquare: notASquare,
  shapes: wrongType,
  type: wrongType,
  uniqueItems: duplicateItem,
};

/** An error of the validator and what its explanation is made from. */
export interface Facts {
  readonly error: SchemaError;
  readonly path: TreePath;
  readonly root: Tree;
  readonly schema: Schema & {
    /** Other types that the value may have, in words. */
    readonly orElse?: readonly string[];
    readonly minItems?: number;
    readonly maxItems?: number;
  };
  /** The schema of the whole file. */
  readonly pipeline: Schema;
  /** The value at the start of a sentence: `` `steps` `` or ``Item 2 of `channels` ``. */
  readonly name: string;
}

/** Tells what an error means; nothing where it only follows from another one. */
export type Explainer = (facts: Facts) => Problem[];

type Told = Pick<Problem, 'code' | 'message' | 'remedy'>;

/** A problem that points at the value. */
const atValue = ({ root, path }: Facts, told: Told): Problem => ({
  ...told,
  span: spanAt(root, path, 'value'),
});

/** A problem that points at the key of the value. */
export const atKey = ({ root, path }: Facts, told: Told): Problem => ({
  ...told,
  span: spanAt(root, path, 'key'),
});

/** The keys of a JSON pointer. */
export const pathOf = (pointer: string): string[] =>
  pointer
    .split('/')
    .slice(1)
    .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));

/** Names a value at the start of a sentence. */
export function nameOf(path: TreePath): string {
  const key = path.findLast((part) => !/^\d+$/.test(part));
  if (key === undefined) return 'The pipeline';
  const last = path.at(-1)!;
  return last === key ? code(key) : `Item ${Number(last) + 1} of ${code(key)}`;
}

/** Describes what was written, in a sentence. */
function found(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a map';
  return typeof value === 'string' ? `the text ${code(value)}` : code(value);
}
