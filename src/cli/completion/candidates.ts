import { readWholeText } from '../../base/files.js';
import type { Argument, Command, Option } from 'commander';
import { runsRootOf } from '../../runner/runs-root.js';
import { listRuns } from '../../runner/runs/find-runs.js';
import { applicable, readSchema, type Schema, stageKinds } from '../../runner/schema/schema.js';
import { parseNested } from '../../runner/yaml/nesting.js';
import { loadPipeline } from '../../stages/load.js';
import { shortIds } from '../run-lines.js';

/** Completions of a word. */
interface Candidates {
  readonly values: readonly Candidate[];
  /** Kinds of file names that will do as well. */
  readonly files: 'none' | 'all' | 'pipelines';
}

const nothing: Candidates = { values: [], files: 'none' };
const files: Candidates = { values: [], files: 'all' };

/** Works out how the last word may go on. Never fails: a file that cannot be read offers nothing. */
export async function findCandidates(
  program: Command,
  words: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<Candidates> {
  const line = parseLine(program, words);
  const { values, files: takesFiles } = await all(line, env);
  return { values: values.filter(({ value }) => value.startsWith(line.typed)), files: takesFiles };
}

async function all(
  { command, target, typed, given }: ParsedLine,
  env: NodeJS.ProcessEnv,
): Promise<Candidates> {
  const file = given.find((argument) => /\.ya?ml$/.test(argument));
  switch (target.kind) {
    case 'command':
      return listed(
        command
          .createHelp()
          .visibleCommands(command)
          .map((one) => ({ value: one.name(), description: one.description() })),
      );
    case 'option':
      return listed(
        command
          .createHelp()
          .visibleOptions(command)
          .flatMap(({ long, description }) => (long == null ? [] : [{ value: long, description }])),
      );
    case 'value': {
      const { option } = target;
      if (option.argChoices !== undefined) return listed(option.argChoices.map((value) => ({ value })));
      // What stands for the value in the option's help says what it may be.
      switch (/<(.+)>/.exec(option.flags)?.[1]) {
        case 'stage':
          return listed(await stageIds(file));
        case 'key=value':
        case 'key=values':
          return listed(await configurationKeys(file, typed));
        case 'file':
          return option.attributeName() === 'write' ? { values: [], files: 'pipelines' } : files;
        case 'folder':
        case 'images':
        case 'address':
        case 'remote':
          return files;
        default:
          return nothing;
      }
    }
    case 'argument': {
      const { argument } = target;
      if (argument === undefined) return nothing;
      if (argument.argChoices !== undefined) return listed(argument.argChoices.map((value) => ({ value })));
      switch (argument.name()) {
        case 'run':
          return listed(await runReferences(env));
        case 'what':
          return { values: await runReferences(env), files: 'pipelines' };
        case 'kind':
          return listed(schemaNames());
        case 'stage':
          return listed(await stageIds(file));
        case 'source':
          return { values: command.name() === 'import' ? [] : await latestStages(env), files: 'all' };
        case 'file':
          return command.name() === 'import' ? files : { values: [], files: 'pipelines' };
        case 'images':
        case 'samples':
        case 'folder':
        case 'target':
        case 'remote':
          return files;
        default:
          return nothing;
      }
    }
  }
}

function schemaNames(): readonly Candidate[] {
  return ['pipeline', ...stageKinds(readSchema('pipeline.schema.json'))].map((value) => ({ value }));
}

const listed = (values: readonly Candidate[]): Candidates => ({ values, files: 'none' });

/** A word that completes what is typed. */
interface Candidate {
  readonly value: string;
  readonly description?: string;
}

/** Kind of word that is being typed. */
type Target =
  | { readonly kind: 'command' }
  | { readonly kind: 'option' }
  | { readonly kind: 'value'; readonly option: Option }
  | { readonly kind: 'argument'; readonly argument: Argument | undefined };

interface ParsedLine {
  /** The command that is named; the program itself where none is yet. */
  readonly command: Command;
  readonly target: Target;
  /** The part of the last word that is to be completed: after `--option=`, what follows. */
  readonly typed: string;
  /** Arguments that are complete. */
  readonly given: readonly string[];
}

/** Finds out what the last word of a command line is to be. `words` begin after the program's name. */
function parseLine(program: Command, words: readonly string[]): ParsedLine {
  const last = words.at(-1) ?? '';
  const given: string[] = [];
  let command = program;
  let open: Option | undefined;
  let onlyArguments = false;
  for (const word of words.slice(0, -1)) {
    if (open !== undefined) open = undefined;
    else if (word === '--') onlyArguments = true;
    else if (!onlyArguments && word.startsWith('-'))
      open = word.includes('=') ? undefined : taking(command, word);
    else {
      const next = given.length === 0 ? command.commands.find((one) => one.name() === word) : undefined;
      if (next === undefined) given.push(word);
      else command = next;
    }
  }
  const line = { command, given };
  if (open !== undefined) return { ...line, target: { kind: 'value', option: open }, typed: last };
  if (!onlyArguments && last.startsWith('-')) {
    const equals = last.indexOf('=');
    const option = equals < 0 ? undefined : taking(command, last.slice(0, equals));
    if (option === undefined) return { ...line, target: { kind: 'option' }, typed: last };
    return { ...line, target: { kind: 'value', option }, typed: last.slice(equals + 1) };
  }
  if (command.commands.length > 0) return { ...line, target: { kind: 'command' }, typed: last };
  const { registeredArguments } = command;
  const argument = registeredArguments[given.length] ?? registeredArguments.find(({ variadic }) => variadic);
  return { ...line, target: { kind: 'argument', argument }, typed: last };
}

/** The option of that name, if it takes a value. */
function taking(command: Command, name: string): Option | undefined {
  const option = command.options.find(({ long, short }) => long === name || short === name);
  return option?.required === true || option?.optional === true ? option : undefined;
}

type Written = Readonly<Record<string, unknown>>;

/** Ids of the stages of a file, valid or not; none where it cannot be read. */
async function stageIds(file: string | undefined): Promise<readonly Candidate[]> {
  const stages = Object.entries(await stagesOf(file));
  return stages.map(([value, stage]) => {
    const uses = (stage as Written | null)?.uses;
    return { value, description: typeof uses === 'string' ? uses : '' };
  });
}

/** `path=` for every key that the schema knows of, and the values of one whose `=` is typed. */
async function configurationKeys(file: string | undefined, typed: string): Promise<readonly Candidate[]> {
  const schema = readSchema('pipeline.schema.json');
  const value: Written = { stages: await stagesOf(file) };
  const keys = [...leaves(schema, value, '')];
  const equals = typed.indexOf('=');
  if (equals < 0)
    return keys.map(({ path, schema: { description = '' } }) => ({ value: `${path}=`, description }));
  const path = typed.slice(0, equals);
  const key = keys.find((known) => known.path === path);
  return valuesOf(key?.schema ?? {}).map((one) => ({ value: `${path}=${one}` }));
}

/** Stages as they are in the file; with what it is composed of where it is valid. */
async function stagesOf(file: string | undefined): Promise<Written> {
  if (file === undefined) return {};
  const loaded = await loadPipeline(file);
  if (loaded.ok)
    return Object.fromEntries(
      Array.from(loaded.pipeline.stages, ([id, { kind, config }]) => [id, { uses: kind, ...config }]),
    );
  try {
    const value = parseNested(await readWholeText(file)) as { stages?: Written } | null;
    return value?.stages ?? {};
  } catch {
    return {};
  }
}

/** Every key that takes a plain value or a list. */
function* leaves(schema: Schema, value: unknown, path: string): Generator<{ path: string; schema: Schema }> {
  const chosen = applicable(schema, value);
  const map = typeof value === 'object' && value !== null ? (value as Written) : {};
  const more = chosen.additionalProperties;
  const named = Object.entries(chosen.properties ?? {});
  const other = typeof more === 'object' ? Object.keys(map).map((key): [string, Schema] => [key, more]) : [];
  for (const [key, property] of [...named, ...other]) {
    if (key === 'uses') continue;
    const inner = path === '' ? key : `${path}.${key}`;
    const isMap = property.properties !== undefined || typeof property.additionalProperties === 'object';
    if (isMap) yield* leaves(property, map[key], inner);
    else yield { path: inner, schema: property };
  }
}

function valuesOf({ enum: choices, type, anyOf, default: preset }: Schema): readonly string[] {
  if (choices !== undefined) return choices.map(String);
  if (type === 'boolean') return ['true', 'false'];
  if (anyOf !== undefined) return [...new Set(anyOf.flatMap(valuesOf))];
  return typeof preset === 'number' || typeof preset === 'string' ? [String(preset)] : [];
}

/** Every run, pipelines by name, and `latest`. */
async function runReferences(env: NodeJS.ProcessEnv): Promise<readonly Candidate[]> {
  const runs = await listRuns(runsRootOf(process.cwd(), undefined, env));
  if (runs.length === 0) return [];
  const names = [...new Set(runs.map(({ record }) => record.pipeline))];
  const ids = shortIds(runs);
  return [
    { value: 'latest', description: 'the latest of all' },
    ...names.map((value) => ({ value, description: 'its latest run' })),
    ...runs.toReversed().map((run) => ({ value: ids.get(run)!, description: run.state })),
  ];
}

/** Stages of the latest run, which `export` and `publish` take by their ids. */
async function latestStages(env: NodeJS.ProcessEnv): Promise<readonly Candidate[]> {
  const latest = (await listRuns(runsRootOf(process.cwd(), undefined, env))).at(-1);
  return Object.entries(latest?.record.stages ?? {}).map(([value, { kind }]) => ({
    value,
    description: kind,
  }));
}
