import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { diagnostic, sortDiagnostics, type Diagnostic, type Problem } from './diagnostics/diagnostic.js';
import type { Origin, Pipeline } from './pipeline.js';
import { resolvePipeline } from './resolve.js';
import { applyOverrides } from './source/overrides.js';
import { parseYaml } from './source/parse.js';
import { locate, sourceText } from './source/text.js';
import { leaves, type Tree } from './source/tree.js';

export type LoadedPipeline =
  | {
      readonly ok: true;
      readonly pipeline: Pipeline;
      /** Where each value was written, by its dotted path from the root. What is not in it is a default. */
      readonly sources: ReadonlyMap<string, Origin>;
    }
  | { readonly ok: false; readonly diagnostics: readonly Diagnostic[] };

/**
 * Reads a pipeline file, applies `--set` options, checks it and fills in defaults. Everything that is wrong is
 * found at once, in the order of the file. Whether paths in it exist is for the stages to say.
 *
 * @param options.set values to override, such as `stages.train.steps=100`; see {@link applyOverrides}
 */
export async function loadPipeline(
  file: string,
  options: { readonly set?: readonly string[] } = {},
): Promise<LoadedPipeline> {
  const path = resolve(file);
  const text = await readText(path);
  if (typeof text !== 'string') return { ok: false, diagnostics: [text] };

  const parsed = parseYaml(sourceText(path, text));
  if (!parsed.tree) return failed(parsed.problems);
  if (parsed.tree.kind !== 'map') return failed([...parsed.problems, notAPipeline(parsed.tree)]);

  const overridden = applyOverrides(parsed.tree, options.set ?? []);
  const { pipeline, problems } = resolvePipeline(overridden.tree);
  const all = [
    ...parsed.problems,
    ...overridden.problems,
    ...problems.filter(isNoConsequence(parsed.problems)),
  ];
  if (!pipeline || all.length > 0) return failed(all);
  return {
    ok: true,
    pipeline: { file: path, directory: dirname(path), ...pipeline },
    sources: new Map(Array.from(leaves(overridden.tree), ([key, span]) => [key, origin(locate(span))])),
  };
}

const failed = (problems: readonly Problem[]): LoadedPipeline => ({
  ok: false,
  diagnostics: sortDiagnostics(problems.map(diagnostic)),
});

/** What is found at the place of an unreadable value says nothing new. */
const isNoConsequence =
  (causes: readonly Problem[]) =>
  ({ span }: Problem): boolean =>
    !causes.some((cause) => cause.span.source === span.source && cause.span.start === span.start);

const origin = ({ file, line, column }: Origin): Origin => ({ file, line, column });

const notAPipeline = (tree: Tree): Problem => ({
  code: 'not-a-pipeline',
  message: `A pipeline is a map of keys and values; ${tree.kind === 'list' ? 'a list' : 'a single value'} was found.`,
  remedy: 'A pipeline has a `name` and `stages`.',
  span: tree.span,
});

/** The text of a file, or what is wrong with the file as a whole. */
async function readText(file: string): Promise<string | Diagnostic> {
  const whole = (code: string, message: string, remedy?: string): Diagnostic => ({
    ...{ code, severity: 'error', message, file, line: 0, column: 0, endColumn: 0, sourceLine: '' },
    ...(remedy === undefined ? {} : { remedy }),
  });
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(await readFile(file));
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code;
    if (reason === 'ENOENT')
      return whole('file-missing', 'There is no such file.', 'Check the path and the current folder.');
    if (reason === 'EISDIR')
      return whole('file-is-folder', 'A pipeline file was expected; this is a folder.');
    if (reason === 'ERR_ENCODING_INVALID_ENCODED_DATA') {
      return whole('not-utf8', 'The file is not UTF-8 text.', 'Save it with the encoding UTF-8.');
    }
    return whole('file-unreadable', `The file cannot be read (${reason ?? String(error)}).`);
  }
}
