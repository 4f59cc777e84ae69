import { code, type Problem, suggestion } from '../diagnostics.js';
import { merge } from './compose.js';
import type { Span } from './text.js';
import { type Entry, isNull, type MapTree, member, plain, type Tree } from './tree.js';

/** A group of `options` that is not chosen. */
export interface OtherGroup {
  readonly group: MapTree;
  /** The configuration with this group on top. */
  readonly tree: MapTree;
}

/**
 * Lays the groups of `options` that `choose` names over a configuration, in their order, and removes both keys. What a
 * group says of `options` and `choose` is not looked at.
 */
export function applyChosen(tree: MapTree): {
  tree: MapTree;
  problems: Problem[];
  others: readonly OtherGroup[];
} {
  const [options, chosen] = ['options', 'choose'].map((key) => member(tree, key)?.value);
  if (options === undefined && chosen === undefined) return { tree, problems: [], others: [] };
  const bare = without(tree, ['options', 'choose']);
  const problems: Problem[] = [];
  if (options !== undefined && options.kind !== 'map') problems.push(notGroups(options.span));
  const groups = options?.kind === 'map' ? options.entries : new Map<string, never>();
  let result: Tree = bare;
  for (const name of itemsOf(chosen)) {
    if (name.kind !== 'scalar') {
      problems.push(notNames(name.span));
      continue;
    }
    const group = groups.get(String(plain(name)))?.value;
    if (group === undefined) problems.push(unknownGroup(name, [...groups.keys()]));
    else if (group.kind !== 'map') problems.push(notGroups(group.span));
    else result = merge(result, without(group, ['options', 'choose']));
  }
  const names = new Set(itemsOf(chosen).map((name) => String(plain(name))));
  const others = [...groups].flatMap(([name, { value: group }]) => {
    if (names.has(name)) return [];
    if (group.kind === 'map')
      return [{ group, tree: merge(result, without(group, ['options', 'choose'])) as MapTree }];
    problems.push(notGroups(group.span));
    return [];
  });
  return { tree: result as MapTree, problems, others };
}

/**
 * Finds what is wrong with a group whatever else is chosen: keys, values and types, of what was found with it on top, and
 * stages that are nowhere.
 */
export function problemsOfGroup(
  { group, tree }: OtherGroup,
  others: readonly OtherGroup[],
  found: readonly Problem[],
): readonly Problem[] {
  const places = new Map(placesIn(group));
  const known = [tree, ...others.map((other) => other.tree)].flatMap((each) =>
    [...stagesOf(each)].flatMap(([id, { value }]) => (member(value, 'uses') ? [id] : [])),
  );
  const nowhere = [...stagesOf(group)].filter(([id, { value }]) => !isNull(value) && !known.includes(id));
  return [
    ...found.filter(({ code, span }) => {
      const value = places.get(placeOf(span));
      // `null` removes what another group may bring.
      return value && ofOnePlace.has(code) && !(code === 'wrong-type' && isNull(value));
    }),
    ...nowhere.map(([id, { key }]) => unknownStage(id, key, known)),
  ];
}

function stagesOf(tree: MapTree): ReadonlyMap<string, Entry> {
  const stages = member(tree, 'stages')?.value;
  return stages?.kind === 'map' ? stages.entries : new Map();
}

const unknownStage = (id: string, span: Span, known: readonly string[]): Problem => ({
  code: 'unknown-stage',
  message: `${code(id)} is not a stage of this pipeline, and has no \`uses\`.`,
  remedy: suggestion(id, known, 'Its stages'),
  span,
});

/** Codes of what is wrong by itself. What a group lacks, or conflicts with, another one may bring, or take away. */
const ofOnePlace = new Set([
  ...['unknown-key', 'unknown-value', 'wrong-type', 'wrong-format', 'wrong-length', 'out-of-range'],
  ...['not-a-square', 'duplicate-item', 'empty-text', 'list-without-brackets', 'decimal-comma'],
]);

const placeOf = ({ source, start }: Span): string => `${source.file}:${start}`;

/** The values of a tree by their places and those of their keys. */
function* placesIn(tree: Tree): Generator<readonly [string, Tree]> {
  yield [placeOf(tree.span), tree];
  if (tree.kind === 'list') for (const item of tree.items) yield* placesIn(item);
  if (tree.kind !== 'map') return;
  for (const { key, value } of tree.entries.values()) {
    yield [placeOf(key), value];
    yield* placesIn(value);
  }
}

function itemsOf(chosen: Tree | undefined): readonly Tree[] {
  if (chosen === undefined || (chosen.kind === 'scalar' && chosen.value === null)) return [];
  return chosen.kind === 'list' ? chosen.items : [chosen];
}

function without(tree: MapTree, keys: readonly string[]): MapTree {
  return { ...tree, entries: new Map([...tree.entries].filter(([key]) => !keys.includes(key))) };
}

const unknownGroup = (name: Tree, known: readonly string[]): Problem => ({
  code: 'unknown-option',
  message: `${code(String(plain(name)))} is not one of the \`options\` of this file.`,
  remedy:
    suggestion(String(plain(name)), known, 'They are') ??
    'There are none: `options: { small: { stages: … } }` gives values a name.',
  span: name.span,
});

const notNames = (span: Span): Problem => ({
  code: 'wrong-type',
  message: '`choose` must be a name of `options`, or a list of them.',
  remedy: 'For example: `choose: small`, or `choose: [small, wide]`.',
  span,
});

const notGroups = (span: Span): Problem => ({
  code: 'wrong-type',
  message: '`options` must be a map of names, each with a map of values.',
  remedy: 'For example: `options: { small: { seed: 1 } }`.',
  span,
});
