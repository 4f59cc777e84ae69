import { dirname, resolve } from 'node:path';
import { diagnostic, sortDiagnostics, type Diagnostic, type Problem } from './diagnostics/diagnostic.js';
import { missingPaths, shellPaths } from './checks/paths.js';
import type { Pipeline } from './pipeline.js';
import { resolvePipeline } from './resolve.js';
import { pipelineSchema } from './schema/schema.js';
import { compose } from './source/compose.js';
import { applyEnvironment, type Environment } from './source/environment.js';
import { applyOverrides } from './source/overrides.js';
import { readText, type UnreadableFile } from './source/read-text.js';
import { rebasePaths } from './source/rebase.js';
import type { Span } from './source/text.js';
import type { MapTree, Tree } from './source/tree.js';

export interface LoadOptions {
  /** Values to override, such as `stages.train.steps=100`; see {@link applyOverrides}. */
  readonly set?: readonly string[];
  /** What `${env:NAME}` refers to. Default: the environment of this process. */
  readonly env?: Environment;
}

/** A file with what it extends and with `--set` options, as it is written: before environment variables and checks. */
export interface Configuration {
  /** Absolute path. */
  readonly file: string;
  /** Absolute paths of the file and of all that it extends. */
  readonly files: readonly string[];
  readonly tree: MapTree;
  readonly problems: readonly Problem[];
}

export interface Invalid {
  readonly ok: false;
  readonly diagnostics: readonly Diagnostic[];
}

/** Reads a pipeline file and what it extends. Where these cannot be read, says why. */
export async function readConfiguration(
  file: string,
  { set = [] }: LoadOptions,
): Promise<(Configuration & { readonly ok: true }) | Invalid> {
  const path = resolve(file);
  const text = await readText(path);
  if (typeof text !== 'string') return { ok: false, diagnostics: [ofWholeFile(path, text)] };
  const { tree, problems, files } = await compose(path, text);
  if (!tree) return invalid(problems, files);
  const overridden = applyOverrides(tree, set);
  return {
    ok: true,
    file: path,
    files,
    tree: overridden.tree as MapTree,
    problems: [...problems, ...overridden.problems],
  };
}

/** A path at which there is nothing. */
export interface MissingPath extends Diagnostic {
  /** Absolute. */
  readonly path: string;
}

/** A pipeline, unless it violates the schema, and everything that is wrong with it. */
export interface Checked {
  /** With environment variables and with paths that start at the file's folder. */
  readonly tree: Tree;
  readonly pipeline: Pipeline | undefined;
  readonly problems: readonly Problem[];
  /** What a stage may lack on this machine, though nothing is wrong with the file: each a warning. */
  readonly missing: () => readonly MissingPath[];
}

/** Fills in environment variables and defaults, and checks the whole. */
export function checkConfiguration(
  { file, files, tree: written, problems: earlier }: Configuration,
  { env = process.env }: LoadOptions,
): Checked {
  const schema = pipelineSchema();
  const filled = applyEnvironment(written, schema, env);
  const directory = dirname(file);
  const isInOneFolder = files.every((each) => dirname(each) === directory);
  const tree = isInOneFolder ? filled.tree : rebasePaths(filled.tree, schema, directory);
  const { pipeline, problems } = resolvePipeline(tree);
  const shell = shellPaths(filled.tree, schema);
  const unreadable = [...earlier.map(({ span }) => span), ...filled.unreadable];
  return {
    tree,
    pipeline: pipeline && { file, directory, ...pipeline },
    problems: [...earlier, ...filled.problems, ...shell, ...problems.filter(isNoConsequence(unreadable))],
    missing: () =>
      missingPaths(tree, schema, directory).map(({ path, problem }) => ({
        ...diagnostic(problem),
        path,
        severity: 'warning',
      })),
  };
}

/** What is shown of a file with problems. */
export const invalid = (problems: readonly Problem[], files: readonly string[]): Invalid => ({
  ok: false,
  diagnostics: sortDiagnostics(problems.map(diagnostic), files),
});

/** What is found at the place of an unreadable value says nothing new. */
const isNoConsequence =
  (unreadable: readonly Span[]) =>
  ({ span }: Problem): boolean =>
    !unreadable.some(({ source, start }) => source === span.source && start === span.start);

const ofWholeFile = (file: string, problem: UnreadableFile): Diagnostic => ({
  ...{ ...problem, severity: 'error', file, line: 0, column: 0, endColumn: 0, sourceLine: '' },
});
