import { dirname, resolve } from 'node:path';
import { diagnostic, sortDiagnostics, type Diagnostic, type Problem } from './diagnostics/diagnostic.js';
import type { Origin, Pipeline } from './pipeline.js';
import { resolvePipeline, pipelineSchema } from './resolve.js';
import { compose } from './source/compose.js';
import { applyEnvironment, type Environment } from './source/environment.js';
import { applyOverrides } from './source/overrides.js';
import { readText, type UnreadableFile } from './source/read-text.js';
import { rebasePaths } from './source/rebase.js';
import { locate, type Span } from './source/text.js';
import { leaves, type Tree } from './source/tree.js';

/** Where a value was written, and by which environment variables. */
export interface ValueSource extends Origin {
  /** Environment variables whose values are in it. */
  readonly environment?: readonly string[];
}

export type LoadedPipeline =
  | {
      readonly ok: true;
      readonly pipeline: Pipeline;
      /** Where each value was written, by its dotted path from the root. What is not in it is a default. */
      readonly sources: ReadonlyMap<string, ValueSource>;
      /** Absolute paths of the file and of all that it extends. */
      readonly files: readonly string[];
    }
  | { readonly ok: false; readonly diagnostics: readonly Diagnostic[] };

export interface LoadOptions {
  /** Values to override, such as `stages.train.steps=100`; see {@link applyOverrides}. */
  readonly set?: readonly string[];
  /** What `${env:NAME}` refers to. Default: the environment of this process. */
  readonly env?: Environment;
}

/**
 * Reads a pipeline file and what it extends, applies `--set` options and environment variables, checks it and fills in
 * defaults. Everything that is wrong is found at once, in the order of the files. Whether paths in it exist is for the
 * stages to say.
 */
export async function loadPipeline(file: string, options: LoadOptions = {}): Promise<LoadedPipeline> {
  const path = resolve(file);
  const text = await readText(path);
  if (typeof text !== 'string') return { ok: false, diagnostics: [ofWholeFile(path, text)] };

  const composed = await compose(path, text);
  const { files } = composed;
  if (!composed.tree) return failed(composed.problems, files);

  const overridden = applyOverrides(composed.tree, options.set ?? []);
  const filled = applyEnvironment(overridden.tree, pipelineSchema(), options.env ?? process.env);
  const tree = rebasePaths(filled.tree, pipelineSchema(), dirname(path));
  const { pipeline, problems } = resolvePipeline(tree);
  const unreadable = [...composed.problems.map(({ span }) => span), ...filled.unreadable];
  const all = [
    ...composed.problems,
    ...overridden.problems,
    ...filled.problems,
    ...problems.filter(isNoConsequence(unreadable)),
  ];
  if (!pipeline || all.length > 0) return failed(all, files);
  return {
    ok: true,
    pipeline: { file: path, directory: dirname(path), ...pipeline },
    sources: new Map(Array.from(leaves(tree), ([key, leaf]) => [key, sourceOf(leaf)])),
    files,
  };
}

const failed = (problems: readonly Problem[], files: readonly string[]): LoadedPipeline => ({
  ok: false,
  diagnostics: sortDiagnostics(problems.map(diagnostic), files),
});

/** What is found at the place of an unreadable value says nothing new. */
const isNoConsequence =
  (unreadable: readonly Span[]) =>
  ({ span }: Problem): boolean =>
    !unreadable.some(({ source, start }) => source === span.source && start === span.start);

function sourceOf(leaf: Tree): ValueSource {
  const { file, line, column } = locate(leaf.span);
  const environment = leaf.kind === 'scalar' ? leaf.environment : undefined;
  return { file, line, column, ...(environment && { environment }) };
}

const ofWholeFile = (file: string, problem: UnreadableFile): Diagnostic => ({
  ...{ ...problem, severity: 'error', file, line: 0, column: 0, endColumn: 0, sourceLine: '' },
});
