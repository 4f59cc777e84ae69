import { dirname, isAbsolute, join, relative } from 'node:path';
import { code, type Problem } from '../diagnostics.js';
import { applicable, memberSchema, type Schema } from '../schema/schema.js';
import { parseNested } from './nesting.js';
import { isOption, type Span } from './text.js';
import { type Entry, plain, type ScalarTree, type Tree } from './tree.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Puts environment variables in the place of `${env:NAME}` and `${env:NAME:-default}` in a configuration's texts; `$${`
 * stands for `${` itself. A variable that is set to nothing counts as not set. The result is read as YAML where the schema
 * takes a number, a boolean or a list at that place, and is text otherwise.
 *
 * @returns the configuration, what is wrong, and the values that are left as they were because of it
 */
export function applyEnvironment(
  tree: Tree,
  schema: Schema,
  environment: Environment,
): { tree: Tree; problems: Problem[]; unreadable: Span[] } {
  const problems: Problem[] = [];
  const unreadable: Span[] = [];
  if (!mayRefer(tree)) return { tree, problems, unreadable };
  const replaced = changeTexts(tree, schema, (scalar, place) => {
    const text = String(scalar.value);
    if (!text.includes('${')) return scalar;
    const used: (string | undefined)[] = [];
    const wrong: Problem[] = [];
    const filled = text.replaceAll(reference, (whole, escaped: string, content: string) => {
      if (escaped !== '') return whole.slice(1);
      const found = whole.endsWith('}') ? lookUp(content, environment) : { problem: malformed };
      if ('problem' in found) {
        wrong.push({ ...found.problem(whole), span: placeOf(whole, scalar.span) });
        return '';
      }
      used.push(found.name);
      return found.value;
    });
    problems.push(...wrong);
    if (wrong.length > 0) {
      unreadable.push(scalar.span);
      return scalar;
    }
    if (used.length === 0) return { ...scalar, value: filled };
    const names = used.filter((name) => name !== undefined);
    return typed(filled, place, names.length === 0 ? scalar : { ...scalar, environment: names });
  });
  return { tree: replaced, problems, unreadable };
}

const refers = new WeakMap<object, boolean>();

/** True when any text may refer to the environment; looked for once in what trees share. */
function mayRefer(tree: Tree): boolean {
  if (tree.kind === 'scalar') return typeof tree.value === 'string' && tree.value.includes('${');
  const content = tree.kind === 'list' ? tree.items : tree.entries;
  const known = refers.get(content);
  if (known !== undefined) return known;
  const values =
    tree.kind === 'list' ? tree.items : Array.from(tree.entries.values(), (entry) => entry.value);
  const found = values.some(mayRefer);
  refers.set(content, found);
  return found;
}

/** `${…}`, also where its end is missing, and `$${…}`. */
const reference = /(\$?)\$\{([^}]*)(?:\}|$)/g;

type Told = Omit<Problem, 'span'>;
type Found = { name?: string; value: string } | { problem: (written: string) => Told };

function lookUp(content: string, environment: Environment): Found {
  const [, name, fallback] = /^env:([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s.exec(content) ?? [];
  if (name === undefined) return { problem: malformed };
  if (looksSecret.test(name)) return { problem: () => secret(name) };
  const value = environment[name];
  if (value) return { name, value };
  return fallback === undefined ? { problem: () => missing(name) } : { value: fallback };
}

const looksSecret = /(^|_)(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$/i;

const malformed = (written: string): Told => ({
  code: 'malformed-reference',
  message: `${code(written)} is not a reference to an environment variable.`,
  remedy: `One is ${code(/^\$\{\w+\}$/.test(written) ? written.replace('{', '{env:') : '${env:NAME}')}, or \`\${env:NAME:-default}\`. For the characters themselves write \`$\${\`.`,
});

const secret = (name: string): Told => ({
  code: 'secret-in-pipeline',
  message: `${code(name)} looks like a secret; values in a pipeline are recorded in every run.`,
  remedy: 'Leave secrets out of the file: the program reads them from the environment where it needs them.',
});

const missing = (name: string): Told => ({
  code: 'missing-variable',
  message: `The environment variable ${code(name)} is not set.`,
  remedy: `Set it, or give a default, as in \`\${env:${name}:-value}\`.`,
});

/** Place of a part of a value; the whole value where quotes or escapes hide it. */
function placeOf(part: string, span: Span): Span {
  const at = span.source.text.slice(span.start, span.end).indexOf(part);
  return at < 0 ? span : { ...span, start: span.start + at, end: span.start + at + part.length };
}

/** A text as what the schema takes at its place. */
function typed(text: string, schema: Schema | undefined, scalar: ScalarTree): Tree {
  let value: unknown;
  try {
    value = parseNested(text);
  } catch {
    value = text;
  }
  const takesIt = typeof value !== 'string' && value !== null && takes(schema, value);
  return treeOf(takesIt ? value : text, scalar);
}

function takes(schema: Schema | undefined, value: unknown): boolean {
  if (schema?.anyOf) return schema.anyOf.some((alternative) => takes(alternative, value));
  if (schema?.type === undefined) return schema?.const === undefined;
  const name = Array.isArray(value) ? 'array' : typeof value;
  return [schema.type].flat().some((type) => type === name || (type === 'integer' && name === 'number'));
}

function treeOf(value: unknown, scalar: ScalarTree): Tree {
  const { span } = scalar;
  if (Array.isArray(value)) return { kind: 'list', items: value.map((item) => treeOf(item, scalar)), span };
  if (typeof value !== 'object' || value === null) return { ...scalar, value: value as ScalarTree['value'] };
  const entries = Object.entries(value).map(([key, item]): [string, Entry] => [
    key,
    { key: span, value: treeOf(item, scalar) },
  ]);
  return { kind: 'map', entries: new Map(entries), span };
}

/** Gives what is to be in the place of a value, of which the schema may say nothing. */
type ScalarChange = (scalar: ScalarTree, schema: Schema | undefined) => Tree;

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

/** Tells an address, such as `hf://owner/name/file`, from a path. */
export const isAddress = (path: string): boolean => /^[a-z][a-z\d+.-]*:\/\//i.test(path);

/**
 * Makes relative paths of extended files relative to the pipeline file's folder. Those of `--set` options are relative to
 * it already.
 */
export function rebasePaths(tree: Tree, schema: Schema, directory: string): Tree {
  return changeTexts(tree, schema, (scalar, place) => {
    const { file } = scalar.span.source;
    const path = String(scalar.value);
    if (place?.isPath !== true || isOption(file) || isAbsolute(path) || isAddress(path)) return scalar;
    const from = dirname(file);
    return from === directory ? scalar : { ...scalar, value: relative(directory, join(from, path)) || '.' };
  });
}
