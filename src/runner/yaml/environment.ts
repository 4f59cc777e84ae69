import { existsSync } from 'node:fs';
import { dirname, isAbsolute, join, relative } from 'node:path';
import { code, type Problem, suggestion } from '../diagnostics.js';
import { withDefaults } from '../schema/defaults.js';
import { applicable, memberSchema, type Schema } from '../schema/schema.js';
import { parseNested } from './nesting.js';
import { isOption, type Span } from './text.js';
import { type Entry, member, placedAt, plain, type ScalarTree, type Tree, treeOf } from './tree.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Puts values in the place of the references in a configuration's texts: `${env:NAME}` and `${env:NAME:-default}` for
 * environment variables, of which one that is set to nothing counts as not set, and `${stages.train.steps}` for another
 * value of the configuration, or its default. `$${` stands for `${` itself. A text that is one reference to a value becomes
 * that value. Any other result is read as YAML where the schema takes a number, a boolean or a list at that place, and is
 * text otherwise.
 */
export class References {
  readonly problems: Problem[] = [];
  /** Values that are left as they were because of a problem. */
  readonly unreadable: Span[] = [];
  private readonly found = new Map<string, Found | 'working'>();
  private defaults: unknown;

  /** @param root configuration that references lead into */
  constructor(
    private readonly root: Tree,
    private readonly schema: Schema,
    private readonly environment: Environment,
  ) {}

  /** A part of the configuration with values in the place of references. */
  fill<Kind extends Tree>(tree: Kind, schema: Schema): Kind {
    if (!mayRefer(tree)) return tree;
    return changeTexts(tree, schema, (scalar, place) => this.filled(scalar, place)) as Kind;
  }

  private filled(scalar: ScalarTree, place: Schema | undefined): Tree {
    const text = String(scalar.value);
    if (!text.includes('${')) return scalar;
    const used: string[] = [];
    const wrong: Problem[] = [];
    const seen: { isBroken?: true; refers?: true; whole?: Tree } = {};
    const filled = text.replaceAll(reference, (written, escaped: string, content: string) => {
      if (escaped !== '') return written.slice(1);
      const found = written.endsWith('}') ? this.lookUp(content) : { problem: malformed };
      seen.refers = true;
      if (found === 'broken') {
        seen.isBroken = true;
        return '';
      }
      if ('problem' in found) {
        wrong.push({ ...found.problem(written), span: placeOf(written, scalar.span) });
        return '';
      }
      used.push(...found.names);
      if (found.value !== undefined) return found.value;
      const { tree } = found;
      if (written === text) seen.whole = tree;
      if (tree.kind === 'scalar') return String(tree.value);
      if (written !== text) wrong.push({ ...notText(written), span: placeOf(written, scalar.span) });
      return '';
    });
    this.problems.push(...wrong);
    if (seen.isBroken || wrong.length > 0) {
      this.unreadable.push(scalar.span);
      return scalar;
    }
    // A path starts at the file that it is written in, also where another file refers to it.
    const { whole } = seen;
    if (whole)
      return place?.isPath === true || place?.mayBePath === true ? whole : placedAt(whole, scalar.span);
    if (!seen.refers) return { ...scalar, value: filled };
    return typed(filled, place, used.length === 0 ? scalar : { ...scalar, environment: used });
  }

  private lookUp(content: string): Found {
    return isPath.test(content) ? this.valueAt(content) : variable(content, this.environment);
  }

  /** Another value of the configuration, in which references are filled first. */
  private valueAt(path: string): Found {
    const known = this.found.get(path);
    if (known === 'working') return { problem: (written) => circular(written) };
    if (known) return known;
    this.found.set(path, 'working');
    const found = this.written(path);
    this.found.set(path, found);
    return found;
  }

  private written(path: string): Found {
    let at: Tree = this.root;
    let schema: Schema | undefined = this.schema;
    const keys = path.split('.');
    for (const [i, key] of keys.entries()) {
      const chosen: Schema | undefined = schema && applicable(schema, plain(at));
      const next = member(at, key);
      if (!next) return this.unwritten(keys, i, at, chosen);
      schema = chosen && memberSchema(chosen, key, at.kind === 'list');
      at = next.value;
    }
    const before = this.problems.length;
    const tree = this.fill(at, schema ?? {});
    const names = tree.kind === 'scalar' ? (tree.environment ?? []) : [];
    // What is wrong with it is told where it is written.
    const isBroken = this.problems.length > before || this.unreadable.includes(tree.span);
    return isBroken ? 'broken' : { tree, names };
  }

  /** The default of a value, or what a preset gives it. */
  private unwritten(keys: readonly string[], missing: number, at: Tree, schema: Schema | undefined): Found {
    this.defaults ??= withDefaults(this.schema, plain(this.root));
    let value: unknown = this.defaults;
    for (const key of keys) value = Object.entries(value ?? {}).find(([name]) => name === key)?.[1];
    if (value !== undefined) return { tree: treeOf(value), names: [] };
    const there = at.kind === 'map' ? [...at.entries.keys()] : [];
    const known = [...new Set([...there, ...Object.keys(schema?.properties ?? {})])];
    return { problem: (written) => unknown(written, keys.slice(0, missing + 1), known) };
  }
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
type Found =
  | { readonly value: string; readonly tree?: never; readonly names: readonly string[] }
  | { readonly value?: never; readonly tree: Tree; readonly names: readonly string[] }
  | { readonly problem: (written: string) => Told }
  /** Refers to what cannot be read itself. */
  | 'broken';

/** Path of a value that may be referred to. */
const isPath = /^(?:name|seed|(?:runtime|stages)(?:\.[^.:]+)+)$/;

function variable(content: string, environment: Environment): Found {
  const [, name, fallback] = /^env:([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s.exec(content) ?? [];
  if (name === undefined) return { problem: malformed };
  if (looksSecret.test(name)) return { problem: () => secret(name) };
  const value = environment[name];
  if (value) return { names: [name], value };
  return fallback === undefined ? { problem: () => missing(name) } : { names: [], value: fallback };
}

const looksSecret = /(^|_)(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$/i;

const malformed = (written: string): Told => ({
  code: 'malformed-reference',
  message: `${code(written)} is not a reference to an environment variable or to a value.`,
  remedy: `One is ${code(/^\$\{\w+\}$/.test(written) ? written.replace('{', '{env:') : '${env:NAME}')}, \`\${env:NAME:-default}\` or \`\${stages.STAGE.KEY}\`. For the characters themselves write \`$\${\`.`,
});

const circular = (written: string): Told => ({
  code: 'value-cycle',
  message: `${code(written)} leads back to this value.`,
  remedy: 'Write one of the values that refer to each other.',
});

const unknown = (written: string, path: readonly string[], known: readonly string[]): Told => ({
  code: 'unknown-reference',
  message: `${code(written)} leads to nothing: there is no ${code(path.join('.'))}.`,
  remedy: suggestion(path.at(-1)!, known, 'There are'),
});

const notText = (written: string): Told => ({
  code: 'wrong-type',
  message: `${code(written)} is not a single value, so that it cannot be a part of a text.`,
  remedy: 'Let it be the whole value.',
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
  return readAt(takesIt ? value : text, scalar);
}

function takes(schema: Schema | undefined, value: unknown): boolean {
  if (schema?.anyOf) return schema.anyOf.some((alternative) => takes(alternative, value));
  if (schema?.type === undefined) return schema?.const === undefined;
  const name = Array.isArray(value) ? 'array' : typeof value;
  return [schema.type].flat().some((type) => type === name || (type === 'integer' && name === 'number'));
}

function readAt(value: unknown, scalar: ScalarTree): Tree {
  const { span } = scalar;
  if (Array.isArray(value)) return { kind: 'list', items: value.map((item) => readAt(item, scalar)), span };
  if (typeof value !== 'object' || value === null) return { ...scalar, value: value as ScalarTree['value'] };
  const entries = Object.entries(value).map(([key, item]): [string, Entry] => [
    key,
    { key: span, value: readAt(item, scalar) },
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

/** True for what `mayBePath` takes as a path that starts at a folder. */
const looksLikePath = (from: string, text: string): boolean =>
  /^\.\.?(?:\/|$)/.test(text) || existsSync(join(from, text));

/**
 * Makes relative paths of extended files relative to the pipeline file's folder. Those of `--set` options are relative to
 * it already.
 */
export function rebasePaths(tree: Tree, schema: Schema, directory: string): Tree {
  return changeTexts(tree, schema, (scalar, place) => {
    const { file } = scalar.span.source;
    const path = String(scalar.value);
    const from = dirname(file);
    if (from === directory || isOption(file) || isAbsolute(path) || isAddress(path)) return scalar;
    const isPath = place?.isPath === true || (place?.mayBePath === true && looksLikePath(from, path));
    return isPath ? { ...scalar, value: relative(directory, join(from, path)) || '.' } : scalar;
  });
}
