import { code, type Problem, suggestion } from '../diagnostics.js';
import { merge } from './compose.js';
import type { Span } from './text.js';
import { type MapTree, member, plain, type Tree } from './tree.js';

/**
 * Lays the groups of `options` that `choose` names over a configuration, in their order, and removes both keys. What a
 * group says of `options` and `choose` is not looked at.
 */
export function applyChosen(tree: MapTree): { tree: MapTree; problems: Problem[] } {
  const [options, chosen] = ['options', 'choose'].map((key) => member(tree, key)?.value);
  if (options === undefined && chosen === undefined) return { tree, problems: [] };
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
  return { tree: result as MapTree, problems };
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
