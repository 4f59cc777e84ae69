import { inWords } from '../../base/format.js';
import { nearest } from '../../base/nearest.js';
import { code, type Problem } from '../diagnostics.js';
import { type Schema, type SchemaError, stageSchemas } from '../schema/schema.js';
import { isOption, type Span } from '../yaml/text.js';
import { plain, spanAt, type Tree, type TreePath } from '../yaml/tree.js';
import { atKey, listForm, nameOf, pathOf, schemaAt, valueExplainers } from './values.js';
import type { Explainer, Facts } from './values.js';

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
  const misspelt = nearest(key, free, 1);
  const near = misspelt ?? nearPlace(facts, key) ?? nearest(key, [...free, ...known]);
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
function listWithoutBrackets({ root, path, error, pipeline }: Facts, key: string): Problem | undefined {
  const span = spanAt(root, [...path, key], 'key');
  const { text } = span.source;
  // As they are written: objects of JavaScript have numbers first.
  const entries = Object.entries(error.data as Readonly<Record<string, unknown>>)
    .map((entry) => ({ entry, place: spanAt(root, [...path, entry[0]], 'key') }))
    .filter(({ place }) => place.source === span.source)
    .sort((a, b) => a.place.start - b.place.start)
    .map(({ entry }) => entry);
  const at = entries.findIndex(([name]) => name === key);
  const first = entries.findLastIndex(([, value], i) => i < at && value !== null);
  const members = entries.slice(first + 1, at + 1);
  const isBare = /[\w'"],\s*$/.test(text.slice(0, span.start)) && /^\s*[,}]/.test(text.slice(span.end));
  if (first < 0 || !isBare || members.some(([, value]) => value !== null)) return undefined;
  const [holder, value] = entries[first]!;
  const numberOf = (name: string) => (/^-?\d+$/.test(name) ? Number(name) : name);
  const list = [value, ...members.map(([name]) => numberOf(name))];
  const schema = schemaAt(pipeline, plain(root), path).properties?.[holder] ?? {};
  const form = listForm(schema, list);
  if (form === undefined && list.length === 2 && list.every((part) => Number.isInteger(part)))
    return {
      code: 'decimal-comma',
      message: `A decimal is written with a point; after the comma ${code(key)} would be a key without a value.`,
      remedy: `Write ${code(`${holder}: ${String(value)}.${text.slice(span.start, span.end)}`)}.`,
      span,
    };
  return {
    code: 'list-without-brackets',
    message: `A list is written in brackets; ${code(key)} would be a key without a value.`,
    remedy: form === undefined ? `${code(holder)} takes no list.` : `Write ${code(`${holder}: ${form}`)}.`,
    span,
  };
}

/** A place one level up or down, or below `stages`, where the key is known, as a dotted path. */
function nearPlace({ path, root, error, pipeline }: Facts, key: string): string | undefined {
  const whole = plain(root) as Readonly<Record<string, unknown>>;
  const stages = whole.stages ?? {};
  if (path.length === 0 && Object.hasOwn(stages, key)) return `stages.${key}`;
  const data = error.data as Readonly<Record<string, unknown>>;
  const value = data[key];
  if (path.length === 0 && typeof value === 'object' && value !== null && Object.hasOwn(value, 'uses'))
    return `stages.${key}`;
  for (const [name, property] of Object.entries(schemaAt(pipeline, whole, path).properties ?? {})) {
    const maps = [property, ...(property.anyOf ?? [])];
    if (maps.some(({ properties }) => properties && Object.hasOwn(properties, key))) return `${name}.${key}`;
  }
  const above = path.slice(0, -1);
  if (path.length < 1 || /^\d+$/.test(path.at(-1)!)) return undefined;
  const { properties = {} } = schemaAt(pipeline, whole, above);
  return Object.hasOwn(properties, key) ? [...above, key].join('.') : undefined;
}

/**
 * Keys of another form of a kind than the one that the written keys decide on, such as keys of making what another key
 * takes ready-made: one problem instead of one a key.
 */
export function mixedForms(
  errors: readonly SchemaError[],
  root: Tree,
  pipeline: Schema,
): [Problem[], readonly SchemaError[]] {
  const forms = stageSchemas(pipeline);
  const foreign = new Map<string, { readonly deciding: string; readonly keys: readonly string[] }>();
  const others = errors.filter(({ keyword, instancePath, data, params }) => {
    if (keyword !== 'additionalProperties' || !/^\/stages\/[^/]+$/.test(instancePath)) return true;
    const stage = data as Readonly<Record<string, unknown>>;
    const key = String(params.additionalProperty);
    const ofKind = forms.filter(({ kind }) => kind === stage.uses);
    const deciding = ofKind.flatMap((form) => form.deciding).find((each) => Object.hasOwn(stage, each));
    const isKnown = ofKind.some(({ schema }) => Object.hasOwn(schema.properties ?? {}, key));
    if (deciding === undefined || !isKnown) return true;
    const { keys } = foreign.get(instancePath) ?? { keys: [] };
    foreign.set(instancePath, { deciding, keys: [...keys, key] });
    return false;
  });
  const problems = Array.from(foreign, ([pointer, { deciding, keys }]): Problem => {
    const path = pathOf(pointer);
    const span = spanAt(root, [...path, deciding], 'key');
    const below = keys.some((key) => spanAt(root, [...path, key], 'key').source !== span.source);
    const named = inWords(keys.map(code));
    return {
      code: 'conflicting-keys',
      message: `${nameOf(path)} takes either ${code(deciding)} or ${named}, not both.`,
      remedy: below ? removal(keys, path, span) : `Remove ${named}, or ${code(deciding)}.`,
      span,
      related: [{ message: `${code(keys[0])} is here`, span: spanAt(root, [...path, keys[0]!], 'key') }],
    };
  });
  return [problems, others];
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
  const needed = missing ? `${inWords(missing)} too` : groupsInWords(groups);
  return [atKey(facts, { code: 'missing-key', message: `${facts.name} needs ${needed}.` })];
};

type Groups = readonly (readonly string[])[];

const groupsInWords = (groups: Groups): string =>
  inWords(
    groups.map((keys) => inWords(keys.map(code))),
    'or',
  );

function conflict({ root, path, name }: Facts, present: readonly string[], groups: Groups): Problem {
  const written = present.map((key) => ({ key, span: spanAt(root, [...path, key], 'key') }));
  const sources = new Set(written.map(({ span }) => span.source));
  const upper = written.find(
    ({ span }) => isOption(span.source.file) || (sources.size > 1 && span.source === root.span.source),
  );
  const main = upper ?? written.at(-1)!;
  const group = groups.find((keys) => keys.includes(main.key))!;
  const others = written.filter(({ key }) => !group.includes(key));
  const names = others.map(({ key }) => key);
  return {
    code: 'conflicting-keys',
    message: `${name} takes either ${groupsInWords(groups)}, not both.`,
    remedy: upper
      ? removal(names, path, main.span)
      : `Remove ${inWords(names.map(code))}, or ${code(main.key)}.`,
    span: main.span,
    related: others.map(({ key, span }) => ({ message: `${code(key)} is here`, span })),
  };
}

/** Tells how a file removes keys that a file below it has written. */
function removal(keys: readonly string[], path: TreePath, { source }: Span): string {
  const others = keys.length === 1 ? 'the other' : 'the others';
  return isOption(source.file)
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
  ...valueExplainers,
  additionalItems: nothing,
  additionalProperties: unknownKey,
  const: nothing,
  exactlyOneOf: notExactlyOne,
  if: nothing,
  propertyNames: nothing,
  required: missingKey,
};

/** Explains an error of the validator to a person; empty for one that only follows from others. */
export function explain(error: SchemaError, root: Tree, pipeline: Schema): Problem[] {
  const explainer = explainers[error.keyword];
  if (!explainer) throw new Error(`The schema keyword "${error.keyword}" has no explanation.`);
  const path = pathOf(error.instancePath);
  const schema = error.parentSchema as Schema;
  return explainer({ error, path, root, schema, pipeline, name: nameOf(path) });
}
