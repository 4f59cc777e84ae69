import { readdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { code, type Problem, suggestion } from '../diagnostics.js';
import { parseYaml } from './parse.js';
import { isLock, isLockFile, readText, sourceText, type SourceText, type Span } from './text.js';
import { type Entry, isNull, type MapTree, type ScalarTree, type Tree, treeOf } from './tree.js';

/** A file with all that it extends merged into it. */
interface Composed {
  /** Tree; undefined where one of the files cannot be read as a map. */
  readonly tree: MapTree | undefined;
  readonly problems: readonly Problem[];
  /** Absolute paths of every file that was read, the file itself first. */
  readonly files: readonly string[];
}

const nothing: Tree = treeOf({});

/** Most files that may extend each other in a row. */
const deepest = 16;

/** Parses the text of the file `path`, and merges it over the files that its key `extends` names. */
export async function compose(path: string, text: string): Promise<Composed> {
  const composer = new Composer();
  await composer.compose(path, text, []);
  return {
    tree: composer.complete ? (composer.layers.reduce(merge, nothing) as MapTree) : undefined,
    problems: composer.problems,
    files: [...composer.files],
  };
}

/** A file on the way from the first one, and where it was asked for. */
interface Step {
  readonly path: string;
  readonly asked?: Span;
}

class Composer {
  readonly problems: Problem[] = [];
  readonly files = new Set<string>();
  /** Each file without what it extends, the lowest first: a file lies once below all that extend it. */
  readonly layers: Tree[] = [];
  complete = true;

  /** @param trail the files that led here; the last is the one that names this one */
  async compose(path: string, text: string, trail: readonly Step[]): Promise<void> {
    this.files.add(path);
    const source = sourceText(path, text);
    const asked = trail.at(-1)?.asked;
    if (isLock(text)) {
      this.refuse(aLock(source, asked));
      return;
    }
    const { tree, problems } = parseYaml(source);
    this.problems.push(
      ...problems.map((problem) =>
        asked ? { ...problem, related: [...(problem.related ?? []), extendedHere(asked)] } : problem,
      ),
    );
    if (tree?.kind !== 'map') {
      if (tree) this.problems.push(notAPipeline(tree, asked));
      this.complete = false;
      return;
    }
    const { extended, rest } = this.split(tree);
    const before = new Set(this.files);
    for (const name of extended) {
      const named = resolve(dirname(path), String(name.value));
      if (this.files.has(named) && !before.has(named)) this.problems.push(extendedAlready(name));
      await this.extend(path, name, trail);
    }
    this.layers.push(rest);
  }

  /** The files that a file extends, as written, and the file without them. */
  private split(tree: MapTree): { extended: readonly ScalarTree[]; rest: MapTree } {
    const entries = new Map(tree.entries);
    const value = entries.get('extends')?.value;
    entries.delete('extends');
    const rest = { ...tree, entries };
    if (!value) return { extended: [], rest };
    const names = value.kind === 'list' ? value.items : [value];
    const wrong = names.filter((name) => !isName(name));
    const span = wrong[0]?.span ?? (names.length === 0 ? value.span : undefined);
    if (span) {
      this.refuse(notNames(span));
    }
    return { extended: names.filter(isName), rest };
  }

  private async extend(from: string, { span, value }: ScalarTree, trail: readonly Step[]): Promise<void> {
    const path = resolve(dirname(from), String(value));
    const here = [...trail, { path: from, asked: span }];
    const start = here.findIndex((step) => step.path === path);
    if (start >= 0) {
      this.refuse(cycle([...here.slice(start).map((step) => step.path), path], span));
      return;
    }
    if (this.files.has(path)) return;
    if (here.length > deepest) {
      this.refuse(tooDeep(span));
      return;
    }
    const text = await readText(path);
    if (typeof text === 'string') return this.compose(path, text, here);
    this.refuse({
      code: `extended-${text.code}`,
      message:
        text.code === 'file-missing'
          ? `${code(value)} is extended, but there is no such file.`
          : `${code(value)} cannot be extended. ${text.message}`,
      remedy: text.code === 'file-missing' ? await similarFiles(path, String(value)) : text.remedy,
      span,
    });
  }

  private refuse(problem: Problem): void {
    this.problems.push(problem);
    this.complete = false;
  }
}

const isName = (tree: Tree): tree is ScalarTree =>
  tree.kind === 'scalar' && typeof tree.value === 'string' && tree.value !== '';

const extendedHere = (span: Span) => ({ message: 'extended here', span });

const notAPipeline = (tree: Tree, asked: Span | undefined): Problem => ({
  code: 'not-a-pipeline',
  message: `A pipeline is a map of keys and values; ${tree.kind === 'list' ? 'a list' : 'a single value'} was found.`,
  remedy: 'A pipeline has a `name` and `stages`.',
  span: tree.span,
  ...(asked && { related: [extendedHere(asked)] }),
});

const aLock = (source: SourceText, asked: Span | undefined): Problem => ({
  code: 'lock-file',
  message: 'A pipeline was expected; this is the lock of one.',
  remedy: 'Name the pipeline file that the first line of the lock names.',
  span: { source, start: 0, end: 0 },
  ...(asked && { related: [extendedHere(asked)] }),
});

const notNames = (span: Span): Problem => ({
  code: 'wrong-type',
  message: '`extends` must be the path of a file, or a list of paths.',
  remedy: 'For example: `extends: quickstart.yaml`.',
  span,
});

const extendedAlready = ({ value, span }: ScalarTree): Problem => ({
  code: 'no-effect',
  message: `${code(value)} is already extended by a file named before it: naming it here changes nothing.`,
  remedy: 'Remove it, or name it first.',
  span,
});

const cycle = (paths: readonly string[], span: Span): Problem => ({
  code: 'extends-cycle',
  message:
    paths.length === 2
      ? 'A file cannot extend itself.'
      : `Files extend each other in a cycle: ${paths.map((path) => code(basename(path))).join(' → ')}.`,
  remedy: 'Remove one of these `extends`.',
  span,
});

const tooDeep = (span: Span): Problem => ({
  code: 'extends-too-deep',
  message: `More than ${deepest} files extend each other in a row.`,
  span,
});

/** Pipeline files in the folder of the missing one, as they would be written. */
async function similarFiles(path: string, written: string): Promise<string | undefined> {
  const folder = dirname(path);
  const names = await readdir(folder).catch(() => undefined);
  if (!names) return `There is no folder ${code(dirname(written))}.`;
  const files: string[] = [];
  for (const name of names.filter((each) => /\.ya?ml$/.test(each)))
    if (!(await isLockFile(join(folder, name)))) files.push(join(dirname(written), name));
  return suggestion(written, files.sort(), 'Files there');
}

/** Key of a map that replaces the one below it as a whole. */
const replaceKey = '$replace';

/**
 * A configuration laid over another one: maps are merged key by key, anything else is replaced, and nothing (`null`)
 * removes the key below it. A stage of another kind (`uses`) replaces the whole stage, and so does a map with
 * `$replace: true`. Every value keeps its place; a merged map has that of the upper one, and keys in the order of the lower
 * one.
 */
export function merge(lower: Tree, upper: Tree): Tree {
  return new Merger().merge(lower, upper);
}

/** Merges each pair of maps once, however often aliases repeat them. */
class Merger {
  private readonly done = new Map<MapTree['entries'], Map<MapTree['entries'], MapTree['entries']>>();

  merge(lower: Tree, upper: Tree): Tree {
    if (upper.kind !== 'map') return upper;
    if (lower.kind !== 'map' || isOtherKind(lower, upper) || replaces(upper)) return whole(upper);
    return { ...upper, entries: this.entries(lower.entries, upper.entries) };
  }

  private entries(lower: MapTree['entries'], upper: MapTree['entries']): MapTree['entries'] {
    const others = this.done.get(lower) ?? new Map<MapTree['entries'], MapTree['entries']>();
    this.done.set(lower, others);
    const known = others.get(upper);
    if (known) return known;
    const merged = new Map<string, Entry>(lower);
    for (const [name, entry] of upper) {
      const below = lower.get(name);
      if (below && isNull(entry.value)) merged.delete(name);
      else if (below) merged.set(name, { key: entry.key, value: this.merge(below.value, entry.value) });
      else merged.set(name, { ...entry, value: whole(entry.value) });
    }
    others.set(upper, merged);
    return merged;
  }
}

const replaces = ({ entries }: MapTree): boolean => {
  const value = entries.get(replaceKey)?.value;
  return value?.kind === 'scalar' && value.value === true;
};

/** A tree below which there is nothing: without the keys that say what to do with that. */
function whole(tree: Tree): Tree {
  if (tree.kind !== 'map' || !mentionsReplace(tree)) return tree;
  const entries = [...tree.entries].filter(([name]) => name !== replaceKey || !replaces(tree));
  return {
    ...tree,
    entries: new Map(entries.map(([name, entry]) => [name, { ...entry, value: whole(entry.value) }])),
  };
}

const mentionsReplace = ({ span }: Tree): boolean => span.source.text.includes(replaceKey);

function isOtherKind(lower: MapTree, upper: MapTree): boolean {
  const [before, now] = [lower, upper].map(({ entries }) => entries.get('uses')?.value);
  return before?.kind === 'scalar' && now?.kind === 'scalar' && before.value !== now.value;
}
