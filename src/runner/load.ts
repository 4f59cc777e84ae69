import { dirname, resolve } from 'node:path';
import type { PipelineRules } from './check.js';
import { diagnostic, type Diagnostic, type Problem, sortDiagnostics } from './diagnostics.js';
import { addressesAsPaths, missingPaths, packagePaths, shellPaths } from './paths.js';
import type { Origin, Pipeline } from './pipeline.js';
import { resolvePipeline } from './resolve.js';
import { compose } from './yaml/compose.js';
import { type Environment, rebasePaths, References } from './yaml/environment.js';
import { expandStages } from './yaml/foreach.js';
import { applyChosen, type OtherGroup, problemsOfGroup } from './yaml/options.js';
import { applyGrid, applyOverrides } from './yaml/overrides.js';
import { locate, readText, type Span, type UnreadableFile } from './yaml/text.js';
import { leaves, type MapTree, type Tree } from './yaml/tree.js';

/** Place at which a value was written, and the environment variables in it. */
export interface ValueSource extends Origin {
  /** Environment variables whose values are in it. */
  readonly environment?: readonly string[];
}

export type LoadedPipeline =
  | {
      readonly ok: true;
      readonly pipeline: Pipeline;
      /** Place at which each value was written, by its dotted path from the root. What is not in it is a default. */
      readonly sources: ReadonlyMap<string, ValueSource>;
      /** Absolute paths of the file and of all that it extends. */
      readonly files: readonly string[];
      /** Findings that nothing fails by, such as a value that changes nothing. */
      readonly warnings: readonly Diagnostic[];
      /** Looks which paths in it lead to nothing on this machine. */
      readonly missing: () => readonly MissingPath[];
    }
  | Invalid;

/**
 * Reads a pipeline file and what it extends, applies `--set` options and environment variables, checks it and fills in
 * defaults. Everything that is wrong is found at once, in the order of the files. Whether paths in it exist is for the
 * stages to say.
 */
export async function loadPipeline(file: string, options: LoadOptions): Promise<LoadedPipeline> {
  const read = await readConfiguration(file, options);
  if (!read.ok) return read;
  const { files } = read;
  const { pipeline, problems: ofWhole, tree, warnings, missing } = checkConfiguration(read, options);
  const problems = [...ofWhole, ...checkOtherGroups(read, options)];
  if (!pipeline || problems.length > 0) return invalid(problems, files);
  const sources = new Map(Array.from(leaves(tree), ([key, leaf]) => [key, sourceOf(leaf)]));
  return { ok: true, pipeline, sources, files, warnings, missing };
}

/** Lists what is wrong with groups of `options` that are not chosen, each laid on top by itself. */
export function checkOtherGroups(read: Configuration, options: LoadOptions): readonly Problem[] {
  const { others } = read;
  return others.flatMap((other) => {
    const { problems } = checkConfiguration({ ...read, tree: other.tree, problems: [] }, options);
    return problemsOfGroup(other, others, problems);
  });
}

function sourceOf(leaf: Tree): ValueSource {
  const { file, line, column } = locate(leaf.span);
  const environment = leaf.kind === 'scalar' ? leaf.environment : undefined;
  return { file, line, column, ...(environment && { environment }) };
}

export interface LoadOptions {
  /** Rules that the file must obey. */
  readonly rules: PipelineRules;
  /** Text of the file, where it is not the one on the disk: an editor's before it is saved. */
  readonly text?: string;
  /** Values to override, such as `stages.train.steps=100`; see {@link applyOverrides}. */
  readonly set?: readonly string[];
  /** Keys to sweep over with their values, such as `stages.train.model.mediators=4,16`; see {@link applyGrid}. */
  readonly grid?: readonly string[];
  /** Variables that `${env:NAME}` refers to. Default: the environment of this process. */
  readonly env?: Environment;
}

/** A file with what it extends and with options, as it is written: before environment variables and checks. */
export interface Configuration {
  /** Absolute path. */
  readonly file: string;
  /** Absolute paths of the file and of all that it extends. */
  readonly files: readonly string[];
  readonly tree: MapTree;
  /** Groups of `options` that are not chosen. */
  readonly others: readonly OtherGroup[];
  readonly problems: readonly Problem[];
}

export interface Invalid {
  readonly ok: false;
  readonly diagnostics: readonly Diagnostic[];
}

/** Reads a pipeline file and what it extends. Where these cannot be read, says why. */
export async function readConfiguration(
  file: string,
  { rules, set = [], grid = [], text: unsaved }: LoadOptions,
): Promise<(Configuration & { readonly ok: true }) | Invalid> {
  const path = resolve(file);
  const text = unsaved ?? (await readText(path));
  if (typeof text !== 'string') return { ok: false, diagnostics: [ofWholeFile(path, text)] };
  const { tree, problems, files } = await compose(path, text);
  if (!tree) return invalid(problems, files);
  const chooses = (option: string): boolean => /^(?:choose|options)[.=]/.test(option);
  const choice = applyOverrides(tree, set, rules.schema, chooses);
  const chosen = applyChosen(choice.tree as MapTree);
  const overridden = applyOverrides(chosen.tree, set, rules.schema, (option) => !chooses(option));
  const swept = applyGrid(overridden.tree, grid, rules.schema);
  return {
    ok: true,
    file: path,
    files,
    tree: swept.tree as MapTree,
    others: chosen.others,
    problems: [
      ...problems,
      ...choice.problems,
      ...chosen.problems,
      ...overridden.problems,
      ...swept.problems,
    ],
  };
}

/** A path at which there is nothing. */
export interface MissingPath extends Diagnostic {
  /** Absolute. */
  readonly path: string;
}

/** A pipeline, unless it violates the schema, and everything that is wrong with it. */
export interface Checked {
  /** Tree with environment variables and with paths that start at the file's folder. */
  readonly tree: Tree;
  /** Tree before stages are made of a `foreach` and references are filled, with paths that start at the file's folder. */
  readonly template: Tree;
  readonly pipeline: Pipeline | undefined;
  readonly problems: readonly Problem[];
  /** Findings that nothing fails by, in the order of the files. */
  readonly warnings: readonly Diagnostic[];
  /** Lists what a stage may lack on this machine, though nothing is wrong with the file: each a warning. */
  readonly missing: () => readonly MissingPath[];
}

/** Fills in environment variables and defaults, and checks the whole. */
export function checkConfiguration(
  { file, files, tree: written, problems: earlier }: Configuration,
  { rules, env = process.env }: LoadOptions,
): Checked {
  const { schema } = rules;
  const early = new References(written, schema, env);
  const expanded = expandStages(written, schema, (foreach) => early.fill(foreach, {}));
  const references = new References(expanded.tree, schema, env);
  const filled = references.fill(expanded.tree, schema);
  const directory = dirname(file);
  const isInOneFolder = files.every((each) => dirname(each) === directory);
  const rebased = (paths: Tree): Tree => (isInOneFolder ? paths : rebasePaths(paths, schema, directory));
  const tree = packagePaths(rebased(filled), schema, directory);
  const { pipeline, problems, warnings } = resolvePipeline(tree, rules);
  const shell = [...shellPaths(filled, schema), ...addressesAsPaths(filled, schema)];
  const before = [...earlier, ...early.problems, ...expanded.problems, ...references.problems];
  const unreadable = [...before.map(({ span }) => span), ...early.unreadable, ...references.unreadable];
  return {
    tree,
    template: rebased(written),
    pipeline: pipeline && { file, directory, ...pipeline },
    problems: [...before, ...shell, ...problems.filter(isNoConsequence(unreadable))],
    warnings: sortDiagnostics(warnings.map(asWarning), files),
    missing: () =>
      missingPaths(tree, schema, directory).map(({ path, problem }) => ({
        ...asWarning(problem),
        path,
      })),
  };
}

const asWarning = (problem: Problem): Diagnostic => ({ ...diagnostic(problem), severity: 'warning' });

/** Result for a file with problems. */
export const invalid = (problems: readonly Problem[], files: readonly string[]): Invalid => ({
  ok: false,
  diagnostics: sortDiagnostics(problems.map(diagnostic), files),
});

/** False for a finding at the place of an unreadable value, which says nothing new. */
const isNoConsequence =
  (unreadable: readonly Span[]) =>
  ({ span }: Problem): boolean =>
    !unreadable.some(({ source, start }) => source === span.source && start === span.start);

const ofWholeFile = (file: string, problem: UnreadableFile): Diagnostic => ({
  ...{ ...problem, severity: 'error', file, line: 0, column: 0, endColumn: 0, sourceLine: '' },
});
