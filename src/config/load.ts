import {
  checkConfiguration,
  invalid,
  readConfiguration,
  type Invalid,
  type LoadOptions,
  type MissingPath,
} from './configuration.js';
import type { Origin, Pipeline } from './pipeline.js';
import { locate } from './source/text.js';
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
      /** Looks which paths in it lead to nothing on this machine. */
      readonly missing: () => readonly MissingPath[];
    }
  | Invalid;

/**
 * Reads a pipeline file and what it extends, applies `--set` options and environment variables, checks it and fills in
 * defaults. Everything that is wrong is found at once, in the order of the files. Whether paths in it exist is for the
 * stages to say.
 */
export async function loadPipeline(file: string, options: LoadOptions = {}): Promise<LoadedPipeline> {
  const read = await readConfiguration(file, options);
  if (!read.ok) return read;
  const { files } = read;
  const { pipeline, problems, tree, missing } = checkConfiguration(read, options);
  if (!pipeline || problems.length > 0) return invalid(problems, files);
  const sources = new Map(Array.from(leaves(tree), ([key, leaf]) => [key, sourceOf(leaf)]));
  return { ok: true, pipeline, sources, files, missing };
}

function sourceOf(leaf: Tree): ValueSource {
  const { file, line, column } = locate(leaf.span);
  const environment = leaf.kind === 'scalar' ? leaf.environment : undefined;
  return { file, line, column, ...(environment && { environment }) };
}
