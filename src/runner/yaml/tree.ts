import { sourceText, type Span } from './text.js';

/**
 * A configuration as written: the values of a YAML document, aliases and merge keys resolved, each with the
 * place it came from. Trees are immutable and share what aliases share.
 */
export type Tree = ScalarTree | ListTree | MapTree;

export interface ScalarTree {
  readonly kind: 'scalar';
  readonly value: string | number | boolean | null;
  readonly span: Span;
  /** Environment variables whose values are in it. */
  readonly environment?: readonly string[];
}

export interface ListTree {
  readonly kind: 'list';
  readonly items: readonly Tree[];
  readonly span: Span;
}

export interface MapTree {
  readonly kind: 'map';
  readonly entries: ReadonlyMap<string, Entry>;
  readonly span: Span;
}

export interface Entry {
  readonly key: Span;
  readonly value: Tree;
}

/** Keys and list indices from the root: `['stages', 'train', 'betas', '0']`. */
export type TreePath = readonly string[];

const plainValues = new WeakMap<object, object>();

/**
 * The values without their places, as immutable as the tree. What trees share is shared here too: aliases of aliases, and
 * points of a sweep, cost nothing.
 */
export function plain(tree: Tree): unknown {
  if (tree.kind === 'scalar') return tree.value;
  const content = tree.kind === 'list' ? tree.items : tree.entries;
  const known = plainValues.get(content);
  if (known !== undefined) return known;
  const value: object =
    tree.kind === 'list'
      ? tree.items.map(plain)
      : Object.fromEntries(Array.from(tree.entries, ([key, entry]) => [key, plain(entry.value)]));
  plainValues.set(content, value);
  return value;
}

/** A tree of values that no file holds; what is `undefined` is not there. */
export function treeOf(value: unknown): Tree {
  if (Array.isArray(value)) return { kind: 'list', items: value.map(treeOf), span: nowhere };
  if (typeof value !== 'object' || value === null)
    return { kind: 'scalar', value: value as null, span: nowhere };
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  return {
    kind: 'map',
    entries: new Map(entries.map(([key, item]) => [key, { key: nowhere, value: treeOf(item) }])),
    span: nowhere,
  };
}

/** The same values, shown at another place. */
export function placedAt(tree: Tree, span: Span): Tree {
  if (tree.kind === 'scalar') return { ...tree, span };
  if (tree.kind === 'list') return { ...tree, span, items: tree.items.map((item) => placedAt(item, span)) };
  const entries = Array.from(
    tree.entries,
    ([key, { value }]) => [key, { key: span, value: placedAt(value, span) }] as const,
  );
  return { ...tree, span, entries: new Map(entries) };
}

const nowhere: Span = { source: sourceText('', ''), start: 0, end: 0 };

/** The member of a map or list, with the place of its key where it has one. */
export function member(tree: Tree, key: string): { readonly key?: Span; readonly value: Tree } | undefined {
  if (tree.kind === 'map') return tree.entries.get(key);
  if (tree.kind === 'list' && /^\d+$/.test(key)) {
    const value = tree.items[Number(key)];
    return value && { value };
  }
  return undefined;
}

/**
 * The place to point at for a path: the value when it fits on a line and `part` asks for it, otherwise its key.
 * Where the path leads to nothing, as for a default, the place of the nearest parent that is there.
 */
export function spanAt(root: Tree, path: TreePath, part: 'key' | 'value'): Span {
  let tree = root;
  let key: Span | undefined;
  for (const name of path) {
    const next = member(tree, name);
    if (!next) return key ?? headOf(tree);
    tree = next.value;
    key = next.key;
  }
  const preferKey = part === 'key' || isBlock(tree) || isNothing(tree);
  return preferKey && key ? key : headOf(tree);
}

/** Every value of a tree that is not a map, by dotted path. */
export function* leaves(
  tree: Tree,
  path: TreePath = [],
): Generator<readonly [string, ScalarTree | ListTree]> {
  if (tree.kind === 'map') {
    for (const [key, { value }] of tree.entries) yield* leaves(value, [...path, key]);
    return;
  }
  yield [path.join('.'), tree];
  if (tree.kind === 'list') {
    for (const [i, item] of tree.items.entries()) yield* leaves(item, [...path, String(i)]);
  }
}

function headOf(tree: Tree): Span {
  if (tree.kind !== 'map' || !isBlock(tree)) return tree.span;
  // Other keys of a merged map may be in other files.
  const own = [...tree.entries.values()].find(({ key }) => key.source === tree.span.source);
  return own?.key ?? tree.span;
}

const isBlock = (tree: Tree): boolean =>
  tree.kind !== 'scalar' && !'[{*'.includes(tree.span.source.text.charAt(tree.span.start));

const isNothing = (tree: Tree): boolean => tree.kind === 'scalar' && tree.span.start === tree.span.end;

/** True when a value is `null`, or nothing at all. */
export const isNull = (tree: Tree): boolean => tree.kind === 'scalar' && tree.value === null;
