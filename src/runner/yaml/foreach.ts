import { code, type Problem } from '../diagnostics.js';
import { writtenReferences } from '../schema/defaults.js';
import type { Schema } from '../schema/schema.js';
import type { Span } from './text.js';
import { type Entry, type MapTree, member, placedAt, plain, type Tree } from './tree.js';

/**
 * Makes several stages of one with `foreach`: a list of values, or a map of values by name. `train` with
 * `foreach: [4, 16]` becomes `train-4` and `train-16`; in its values `${item}` is the value, `${item.key}` a part of it,
 * and `${key}` its name. A list of stages that names `train` gets all of them.
 *
 * @param fill puts values in the place of the references in a `foreach`
 */
export function expandStages(
  tree: MapTree,
  schema: Schema,
  fill: (tree: Tree) => Tree,
): { tree: MapTree; problems: Problem[] } {
  const problems: Problem[] = [];
  const stages = member(tree, 'stages');
  if (stages?.value.kind !== 'map') return { tree, problems };
  const templates = new Map<string, readonly string[]>();
  const expanded = new Map<string, Entry>();
  for (const [id, { key, value }] of stages.value.entries) {
    const foreach = member(value, 'foreach');
    const copies = foreach ? copiesOf(value as MapTree, id, escaped(fill(foreach.value)), problems) : [];
    if (foreach)
      templates.set(
        id,
        copies.map(([name]) => name),
      );
    for (const [name, copy] of foreach ? copies : [[id, value] as const]) {
      const first = expanded.get(name);
      if (first) problems.push(sameId(name, key, first.key));
      else expanded.set(name, { key, value: copy });
    }
  }
  if (templates.size === 0) return { tree, problems };
  const stageSchema = schema.properties!.stages!.additionalProperties as Schema;
  const entries = new Map(
    Array.from(expanded, ([id, entry]) => [
      id,
      { ...entry, value: withAll(entry.value, templates, stageSchema) },
    ]),
  );
  const all: Entry = { ...tree.entries.get('stages')!, value: { ...stages.value, entries } };
  return { tree: { ...tree, entries: new Map([...tree.entries, ['stages', all]]) }, problems };
}

/** The stages that a template makes, by their ids. */
function copiesOf(
  template: MapTree,
  id: string,
  foreach: Tree,
  problems: Problem[],
): readonly (readonly [string, Tree])[] {
  const items: (readonly [string, Tree])[] =
    foreach.kind === 'map'
      ? Array.from(foreach.entries, ([name, { value }]) => [name, value] as const)
      : foreach.kind === 'list'
        ? foreach.items.map((item) => [String(plain(item)), item] as const)
        : [];
  const isNamed = foreach.kind === 'map' || items.every(([, item]) => item.kind === 'scalar');
  if (items.length === 0 || !isNamed) {
    problems.push(notItems(foreach.span));
    return [];
  }
  const entries = new Map(template.entries);
  entries.delete('foreach');
  return items.map(([key, item]) => [
    `${id}-${key.replace(/[^A-Za-z0-9_-]+/g, '-')}`,
    filled({ ...template, entries }, { key, item }, problems),
  ]);
}

/** Values that are filled already, for texts in which references are still to be filled. */
function escaped(tree: Tree): Tree {
  if (tree.kind === 'list') return { ...tree, items: tree.items.map(escaped) };
  if (tree.kind === 'scalar')
    return typeof tree.value === 'string'
      ? { ...tree, value: tree.value.replaceAll('${', () => '$${') }
      : tree;
  const entries = Array.from(
    tree.entries,
    ([name, { key, value }]) => [name, { key, value: escaped(value) }] as const,
  );
  return { ...tree, entries: new Map(entries) };
}

interface Item {
  readonly key: string;
  readonly item: Tree;
}

const reference = /(\$?)\$\{(item|key)((?:\.[^.{}]+)*)\}/g;

/** A copy of a template with one item in the place of its references. */
function filled(tree: Tree, current: Item, problems: Problem[]): Tree {
  switch (tree.kind) {
    case 'map':
      return {
        ...tree,
        entries: new Map(
          Array.from(tree.entries, ([name, { key, value }]) => [
            name,
            { key, value: filled(value, current, problems) },
          ]),
        ),
      };
    case 'list':
      return { ...tree, items: tree.items.map((item) => filled(item, current, problems)) };
    case 'scalar': {
      if (typeof tree.value !== 'string') return tree;
      const find = (name: string, path: string): Tree | undefined =>
        path
          .split('.')
          .slice(1)
          .reduce<Tree | undefined>(
            (at, part) => at && member(at, part)?.value,
            name === 'key' ? { ...tree, value: current.key } : current.item,
          );
      const [whole, dollars, name, path] = new RegExp(`^${reference.source}$`).exec(tree.value) ?? [];
      if (whole !== undefined && dollars === '') {
        const value = find(name!, path!);
        if (value) return placedAt(value, tree.span);
      }
      const text = tree.value.replaceAll(
        reference,
        (written, dollar: string, which: string, rest: string) => {
          if (dollar !== '') return written;
          const value = find(which, rest);
          if (value?.kind === 'scalar') return String(value.value);
          problems.push(notInItem(written, tree.span));
          return '';
        },
      );
      return { ...tree, value: text };
    }
  }
}

/** A stage whose lists of stages have the copies of a template in its place. */
function withAll(stage: Tree, templates: ReadonlyMap<string, readonly string[]>, schema: Schema): Tree {
  const named = [...writtenReferences(schema, plain(stage))].filter(
    ({ path, stage: id }) => path.length === 2 && /^\d+$/.test(path[1]!) && templates.has(id),
  );
  if (stage.kind !== 'map') return stage;
  const entries = new Map(stage.entries);
  for (const key of new Set(named.map(({ path }) => path[0]!))) {
    const entry = entries.get(key)!;
    if (entry.value.kind !== 'list') continue;
    const items = entry.value.items.flatMap(
      (item): readonly Tree[] =>
        (item.kind === 'scalar'
          ? templates.get(String(item.value))?.map((value) => ({ ...item, value }))
          : undefined) ?? [item],
    );
    entries.set(key, { ...entry, value: { ...entry.value, items } });
  }
  return { ...stage, entries };
}

const notItems = (span: Span): Problem => ({
  code: 'wrong-type',
  message: '`foreach` must be a list of numbers and texts, or a map of values by name.',
  remedy: 'For example: `foreach: [4, 16]`, or `foreach: { small: { depth: 4 }, large: { depth: 12 } }`.',
  span,
});

const notInItem = (written: string, span: Span): Problem => ({
  code: 'unknown-reference',
  message: `${code(written)} is not a value of this \`foreach\`.`,
  remedy: 'The value is `${item}`, a part of it `${item.key}`, and its name `${key}`.',
  span,
});

const sameId = (id: string, span: Span, first: Span): Problem => ({
  code: 'duplicate-key',
  message: `Two stages would be called ${code(id)}.`,
  remedy: 'Name the values of `foreach` by a map, or rename a stage.',
  span,
  related: [{ message: 'the other is here', span: first }],
});
