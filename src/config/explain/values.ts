import { code, counted, nearest, oneOf } from '../diagnostics/words.js';
import { spanAt } from '../source/tree.js';
import { atKey, atValue, found, type Explainer } from './facts.js';

const typeWords: Readonly<Record<string, string>> = {
  string: 'text',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  object: 'a map',
  array: 'a list',
};

export const wrongType: Explainer = (facts) => {
  const { value, keyword, schema, orElse } = facts;
  if (schema.enum && Array.isArray(schema.type)) return [];
  const types = keyword === 'anyOf' ? [] : [typeWords[String(schema.type)]!];
  const expected = oneOf([...types, ...orElse]);
  return [
    atValue(facts, {
      code: 'wrong-type',
      message: `${facts.name} must be ${expected}; ${found(value)} was found.`,
      remedy: quotesRemedy(expected, value),
    }),
  ];
};

function quotesRemedy(expected: string, value: unknown): string | undefined {
  if (expected === 'text' && (typeof value === 'number' || typeof value === 'boolean')) {
    return `Put it in quotes: '${value}'.`;
  }
  const isNumber = typeof value === 'string' && value.trim() !== '' && Number.isFinite(Number(value));
  return isNumber && expected.includes('number') ? `Write it without quotes: ${value}.` : undefined;
}

export const unknownValue: Explainer = (facts) => {
  const { value, schema, orElse } = facts;
  const values = schema.enum!;
  if (typeof value !== 'string' && values.every((each) => typeof each === 'string')) return [];
  const near = typeof value === 'string' ? nearest(value, values.map(String)) : undefined;
  const expected = oneOf([...values.map(code), ...orElse]);
  const isKind = facts.path.length === 3 && facts.path[2] === 'uses';
  return [
    atValue(facts, {
      code: isKind ? 'unknown-kind' : 'unknown-value',
      message: `${facts.name} must be ${expected}; ${found(value)} was found.`,
      remedy: near === undefined ? undefined : `Did you mean ${code(near)}?`,
    }),
  ];
};

const comparisons = {
  minimum: 'at least',
  maximum: 'at most',
  exclusiveMinimum: 'greater than',
  exclusiveMaximum: 'less than',
};

export const outOfRange: Explainer = (facts) => {
  const { schema, value } = facts;
  const keyword = facts.keyword as keyof typeof comparisons;
  const expected = `${comparisons[keyword]} ${schema[keyword]!}`;
  return [
    atValue(facts, {
      code: 'out-of-range',
      message: `${facts.name} must be ${expected}; ${found(value)} was found.`,
    }),
  ];
};

export const wrongFormat: Explainer = (facts) => {
  const { key, value, schema } = facts;
  const hint = schema.patternHint ?? `text that matches ${schema.pattern!}`;
  if (key === undefined) {
    const message = `${facts.name} must be ${hint}; ${found(value)} was found.`;
    return [atValue(facts, { code: 'wrong-format', message })];
  }
  return [
    {
      code: 'wrong-stage-id',
      message: `${code(key)} cannot be the id of a stage.`,
      remedy: `An id is ${hint}.`,
      span: spanAt(facts.root, [...facts.path, key], 'key'),
    },
  ];
};

export const emptyText: Explainer = (facts) => [
  atValue(facts, { code: 'empty-text', message: `${facts.name} must not be empty.` }),
];

export const emptyMap: Explainer = (facts) => [
  facts.path.join('.') === 'stages'
    ? atKey(facts, { code: 'no-stages', message: `${facts.name} must hold at least one stage.` })
    : atKey(facts, { code: 'empty-map', message: `${facts.name} must have at least one key.` }),
];

export const wrongLength: Explainer = (facts) => {
  const { keyword, schema, value } = facts;
  const { minItems, maxItems } = schema;
  const bound = keyword === 'minItems' ? 'at least ' : 'at most ';
  const expected = `${minItems === maxItems ? '' : bound}${counted(Number(schema[keyword]), 'item')}`;
  const length = counted((value as unknown[]).length, 'item');
  return [
    atValue(facts, {
      code: 'wrong-length',
      message: `${facts.name} must have ${expected}; ${length} found.`,
    }),
  ];
};

export const duplicateItem: Explainer = (facts) => {
  const [earlier, later] = facts.twins!;
  const item = (facts.value as readonly unknown[])[later];
  const span = (index: number) => spanAt(facts.root, [...facts.path, String(index)], 'value');
  return [
    {
      code: 'duplicate-item',
      message: `${typeof item === 'object' ? `Item ${later + 1}` : code(item)} is in ${facts.name} twice.`,
      remedy: 'Keep one of the two.',
      span: span(later),
      related: [{ message: 'first used here', span: span(earlier) }],
    },
  ];
};

export const notASquare: Explainer = (facts) => {
  const value = Number(facts.value);
  const root = Math.floor(Math.sqrt(value));
  return [
    atValue(facts, {
      code: 'not-a-square',
      message: `${facts.name} must be a perfect square, or 0 for full attention; ${code(value)} was found.`,
      remedy: `The nearest are ${root ** 2} and ${(root + 1) ** 2}.`,
    }),
  ];
};
