import { counted } from '../../base/format.js';
import { code, type Problem, suggestion } from '../diagnostics.js';
import { applicable, memberSchema, type Schema } from '../schema/schema.js';
import { parseYaml } from './parse.js';
import { type OptionName, sourceText, type SourceText, type Span } from './text.js';
import { type Entry, isNull, type MapTree, member, plain, type Tree } from './tree.js';

/**
 * Applies `--set` options to a configuration, in their order. An option is `path=value`: keys and list indices
 * with dots between them, and a YAML value (a `#` at its start is no comment: it is a colour); `null` removes the key. An
 * empty value, as an unset variable of the shell gives, is refused. Only the place that is named changes, also where the
 * file shares it through an anchor.
 *
 * @param applies picks the options to apply
 */
export function applyOverrides(
  tree: Tree,
  options: readonly string[],
  schema: Schema,
  applies: (option: string) => boolean = () => true,
): { tree: Tree; problems: Problem[] } {
  const problems: Problem[] = [];
  let result = tree;
  for (const [i, option] of options.entries()) {
    if (!applies(option)) continue;
    const override = parseOverride(option, i + 1);
    if ('problems' in override) {
      problems.push(...override.problems);
      continue;
    }
    const set = setSteps(result, override.steps, override.value, schema);
    if ('problem' in set) problems.push(set.problem);
    else result = set.tree;
  }
  return { tree: result, problems };
}

/**
 * Adds `--grid` options to a configuration's sweep. An option is `key=values`: a dotted key, and values with commas between
 * them, or a list in YAML. It takes the place of the file's grid of that key.
 */
export function applyGrid(
  tree: Tree,
  options: readonly string[],
  schema: Schema,
): { tree: Tree; problems: Problem[] } {
  const problems: Problem[] = [];
  const keys = new Map<string, Span>();
  let result = tree;
  for (const [i, option] of options.entries()) {
    const parsed = parseGrid(option, i + 1);
    if ('problems' in parsed) {
      problems.push(...parsed.problems);
      continue;
    }
    const { source, start } = parsed.steps[0]!.span;
    const span = { source, start, end: parsed.steps.at(-1)!.span.end };
    const name = parsed.steps.map((step) => step.key).join('.');
    const earlier = keys.get(name);
    if (earlier) problems.push(givenTwice(name, span, earlier));
    keys.set(name, span);
    const path = ['sweep', 'grid', name].map((key) => ({ key, span }));
    const set = setSteps(result, path, parsed.value, schema);
    if ('problem' in set) problems.push(set.problem);
    else result = set.tree;
  }
  return { tree: result, problems };
}

/** A list as it is written, anything else as the items of one: `4,16`, or `[4,0],[16,0]`. */
function parseGrid(option: string, number: number): ReturnType<typeof parseOverride> {
  const written = parseOverride(option, number, '--grid');
  const [, key, values] = /^([^=]*)=(.*\S.*)$/s.exec(option) ?? [];
  const isList = !('problems' in written) && written.value.kind === 'list';
  if (key === undefined || isList) return written;
  const listed = parseOverride(`${key}=[${values!}]`, number, '--grid');
  return 'problems' in listed && values!.trimStart().startsWith('[') ? written : listed;
}

const givenTwice = (key: string, span: Span, earlier: Span): Problem => ({
  code: 'duplicate-key',
  message: `${code(key)} is varied twice.`,
  remedy: 'Give all its values in one `--grid`.',
  span,
  related: [{ message: 'first varied here', span: earlier }],
});

/**
 * Sets the value at a dotted path that is written elsewhere in a file, or removes it (`null`). Errors point at the part of
 * the path that is wrong.
 */
export function setValue(
  tree: Tree,
  path: string,
  written: Span,
  value: Tree,
  schema: Schema,
): { tree: Tree } | { problem: Problem } {
  const { source, start, end } = written;
  const from = source.text.slice(start, end).indexOf(path);
  const steps = stepsOf(source, start + Math.max(from, 0), path);
  return setSteps(tree, from < 0 ? steps.map(({ key }) => ({ key, span: written })) : steps, value, schema);
}

function setSteps(
  tree: Tree,
  steps: readonly Step[],
  value: Tree,
  schema: Schema,
): { tree: Tree } | { problem: Problem } {
  const [first] = steps as [Step];
  if (first.key === 'extends') return { problem: cannotExtend(first.span) };
  try {
    if (!isNull(value)) return { tree: replaced(tree, steps, value, '') };
    return { tree: isThere(tree, steps, schema) ? replaced(tree, steps, undefined, '') : tree };
  } catch (error) {
    if (error instanceof OverrideError) return { problem: error.problem };
    throw error;
  }
}

interface Step {
  readonly key: string;
  readonly span: Span;
}

class OverrideError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.message);
  }
}

/**
 * True when there is something to remove at a path.
 *
 * @throws OverrideError where the schema knows no such key either
 */
function isThere(tree: Tree, steps: readonly Step[], root: Schema): boolean {
  let at: Tree | undefined = tree;
  let schema: Schema | undefined = root;
  for (const { key, span } of steps) {
    const chosen: Schema | undefined = schema && applicable(schema, at && plain(at));
    const isList: boolean = at ? at.kind === 'list' : chosen?.type === 'array';
    at = at && member(at, key)?.value;
    schema = chosen && memberSchema(chosen, key, isList);
    if (at || isList) continue;
    if (!schema) throw new OverrideError(unknownKey(key, span, Object.keys(chosen?.properties ?? {})));
    if (schema === root.properties!.stages!.additionalProperties)
      throw new OverrideError(unknownStage({ key, span }, stagesOf(tree)));
  }
  return at !== undefined || steps.length === 0;
}

const stagesOf = (tree: Tree): string[] => {
  const stages = member(tree, 'stages')?.value;
  return stages?.kind === 'map' ? [...stages.entries.keys()] : [];
};

function parseOverride(
  option: string,
  number: number,
  name: OptionName = '--set',
): { steps: Step[]; value: Tree } | { problems: readonly Problem[] } {
  const prefix = `${name} `;
  const source = sourceText(name, `${prefix}${option}`, number);
  const equals = option.indexOf('=');
  const path = equals < 0 ? option : option.slice(0, equals);
  const steps = stepsOf(source, prefix.length, path);
  if (equals < 0 || steps.some(({ key }) => key === '')) {
    return { problems: [malformed(name, { source, start: prefix.length, end: source.text.length })] };
  }
  const start = prefix.length + equals + 1;
  const text = source.text.slice(start);
  if (text.trim() === '') return { problems: [emptyValue({ source, start: prefix.length, end: start })] };
  if (text.startsWith('#')) {
    return {
      steps,
      value: { kind: 'scalar', value: text, span: { source, start, end: source.text.length } },
    };
  }
  const { tree, problems } = parseYaml(source, start);
  return tree && problems.length === 0 ? { steps, value: tree } : { problems };
}

function stepsOf(source: SourceText, offset: number, path: string): Step[] {
  let start = offset;
  return path.split('.').map((key) => {
    const span = { source, start, end: start + key.length };
    start = span.end + 1;
    return { key, span };
  });
}

const malformed = (name: OptionName, span: Span): Problem => ({
  code: 'malformed-override',
  ...{
    '--set': {
      message: '`--set` takes a path and a value with `=` between them.',
      remedy: 'For example: --set seed=1',
    },
    '--grid': {
      message: '`--grid` takes a path and values with `=` between them.',
      remedy: 'For example: --grid seed=1,2,3',
    },
  }[name],
  span,
});

const emptyValue = (span: Span): Problem => ({
  code: 'empty-override',
  message: `${code(span.source.text.slice(span.start, span.end))} has no value; is a shell variable unset?`,
  remedy: "To remove the key, set it to `null`; for an empty text write `''`.",
  span,
});

const cannotExtend = (span: Span): Problem => ({
  code: 'cannot-be-set',
  message: '`extends` cannot be set: what a file extends is read before its values are changed.',
  remedy: 'Write a file that extends both: `extends: [base.yaml, other.yaml]`.',
  span,
});

const unknownKey = (key: string, span: Span, known: readonly string[]): Problem => ({
  code: 'unknown-key',
  message: `${code(key)} is not a key here, so there is nothing to remove.`,
  remedy: suggestion(key, known, 'Keys here'),
  span,
});

function replaced(tree: Tree, steps: readonly Step[], value: Tree | undefined, path: string): Tree {
  const [step, ...rest] = steps as [Step, ...Step[]];
  if (tree.kind === 'list') {
    const index = /^\d+$/.test(step.key) ? Number(step.key) : -1;
    const old = tree.items[index];
    if (!old) throw new OverrideError(noSuchItem(path, tree.items.length, step.span));
    const item = rest.length === 0 ? value : replaced(old, rest, value, `${path}.${step.key}`);
    return { ...tree, items: tree.items.flatMap((other, i) => (i !== index ? [other] : item ? [item] : [])) };
  }
  if (tree.kind === 'scalar' && tree.value !== null) throw new OverrideError(notAMap(path, step));
  const map = tree.kind === 'map' ? tree : emptyMap(step.span);
  if (path === 'stages' && rest.length > 0 && !map.entries.has(step.key)) {
    throw new OverrideError(unknownStage(step, [...map.entries.keys()]));
  }
  const entries = new Map<string, Entry>(map.entries);
  const old = entries.get(step.key);
  const member =
    rest.length === 0
      ? value
      : replaced(
          old?.value ?? emptyMap(step.span),
          rest,
          value,
          path === '' ? step.key : `${path}.${step.key}`,
        );
  const key = rest.length > 0 && old ? old.key : step.span;
  if (member) entries.set(step.key, { key, value: member });
  else entries.delete(step.key);
  return { ...map, entries };
}

const emptyMap = (span: Span): MapTree => ({ kind: 'map', entries: new Map(), span });

const noSuchItem = (path: string, length: number, span: Span): Problem => ({
  code: 'no-such-item',
  message: `${code(path)} is a list of ${counted(length, 'item')}, counted from 0; there is no such item.`,
  span,
});

const notAMap = (path: string, step: Step): Problem => ({
  code: 'not-a-map',
  message: `${code(path)} is a single value and has no key ${code(step.key)}.`,
  remedy: `Set ${code(path)} to a map, as in --set '${path}={${step.key}: …}'.`,
  span: step.span,
});

const unknownStage = (step: Step, ids: readonly string[]): Problem => ({
  code: 'unknown-stage',
  message: `${code(step.key)} is not a stage of this pipeline.`,
  remedy: suggestion(step.key, ids, 'Its stages'),
  span: step.span,
});
