import type { Problem } from '../diagnostics/diagnostic.js';
import { code, nearest, oneOf } from '../diagnostics/words.js';
import { optionFile, type Span } from '../source/text.js';
import { spanAt, type TreePath } from '../source/tree.js';
import { atKey, type Explainer, type Facts } from './facts.js';

export const missingKey: Explainer = (facts) => {
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

export const unknownKey: Explainer = (facts) => {
  const key = String(facts.error.params.additionalProperty);
  const { known, free } = keysOf(facts);
  const near = nearest(key, free) ?? nearest(key, known);
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

export const notExactlyOne: Explainer = (facts) => {
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

/** How keys that are written below are removed from above. */
const removal = (keys: readonly string[], path: TreePath, { source }: Span): string =>
  source.file === optionFile
    ? `Remove the other with ${keys.map((key) => `--set ${[...path, key].join('.')}=null`).join(' ')}`
    : `Remove the other with ${code(keys.map((key) => `${key}: null`).join(', '))}.`;

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
