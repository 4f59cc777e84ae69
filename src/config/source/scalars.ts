import { applicable } from '../schema/alternatives.js';
import { memberSchema } from '../schema/member.js';
import type { Schema } from '../schema/schema.js';
import { plain, type Entry, type ScalarTree, type Tree } from './tree.js';

/** Gives what is to be in the place of a value, of which the schema may say nothing. */
export type ScalarChange = (scalar: ScalarTree, schema: Schema | undefined) => Tree;

/** A copy of a tree with some of its texts changed. What aliases share is changed once for each schema it is under. */
export function changeTexts(root: Tree, schema: Schema, change: ScalarChange): Tree {
  const done = new Map<object, Map<Schema | undefined, Tree>>();

  const visit = (tree: Tree, under: Schema | undefined): Tree => {
    const chosen = under && applicable(under, plain(tree));
    if (tree.kind === 'scalar') return typeof tree.value === 'string' ? change(tree, under) : tree;
    const content = tree.kind === 'list' ? tree.items : tree.entries;
    const known = done.get(content) ?? new Map<Schema | undefined, Tree>();
    done.set(content, known);
    let changed = known.get(under);
    if (!changed) {
      changed = visitMembers(tree, chosen);
      known.set(under, changed);
    }
    return changed.span === tree.span ? changed : { ...changed, span: tree.span };
  };

  const visitMembers = (tree: Exclude<Tree, ScalarTree>, chosen: Schema | undefined): Tree => {
    const schemaOf = (key: string) => chosen && memberSchema(chosen, key, tree.kind === 'list');
    if (tree.kind === 'list') {
      const items = tree.items.map((item, i) => visit(item, schemaOf(String(i))));
      return items.every((item, i) => item === tree.items[i]) ? tree : { ...tree, items };
    }
    const entries = new Map<string, Entry>();
    let same = true;
    for (const [key, entry] of tree.entries) {
      const value = visit(entry.value, schemaOf(key));
      same &&= value === entry.value;
      entries.set(key, value === entry.value ? entry : { ...entry, value });
    }
    return same ? tree : { ...tree, entries };
  };

  return visit(root, schema);
}
