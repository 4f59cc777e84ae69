import { code, type Diagnostic, type Problem } from '../diagnostics.js';
import { checkConfiguration, checkOtherGroups, invalid, readConfiguration } from '../load.js';
import type { Checked, Configuration, Invalid, LoadOptions, MissingPath } from '../load.js';
import type { Pipeline } from '../pipeline.js';
import type { Schema } from '../schema/schema.js';
import { setValue } from '../yaml/overrides.js';
import type { Span } from '../yaml/text.js';
import { type MapTree, member, plain, type Tree } from '../yaml/tree.js';
import { type Point, pointsOf } from './points.js';

/** One point of a sweep: the pipeline that it makes of the file. */
export interface LoadedTrial {
  readonly pipeline: Pipeline;
  /** The swept values by dotted key, in the order of the file; nothing for a key that the point removes. */
  readonly values: ReadonlyMap<string, unknown>;
  /** `--set` options that make the file into this trial. */
  readonly set: readonly string[];
}

export type LoadedSweep =
  | {
      readonly ok: true;
      /** The file without its sweep's values. */
      readonly pipeline: Pipeline;
      /** Trials; undefined where the file has no `sweep`. */
      readonly trials: readonly LoadedTrial[] | undefined;
      /** Findings about the file that nothing fails by. */
      readonly warnings: readonly Diagnostic[];
      /** Looks which paths in it, and in its trials, lead to nothing on this machine. */
      readonly missing: () => readonly MissingPath[];
    }
  | Invalid;

/**
 * Reads a pipeline file as `loadPipeline` does, and every point of its `sweep`. What is wrong with a point is shown at the
 * value in the sweep that makes it so.
 */
export async function loadSweep(file: string, options: LoadOptions): Promise<LoadedSweep> {
  const read = await readConfiguration(file, options);
  if (!read.ok) return read;
  const { pipeline, problems: ofWhole, warnings, missing } = checkConfiguration(read, options);
  const wrong = [...ofWhole, ...checkOtherGroups(read, options)];
  if (!pipeline || wrong.length > 0) return invalid(wrong, read.files);
  const sweep = member(read.tree, 'sweep')?.value as MapTree | undefined;
  if (!sweep || !pipeline.sweep) return { ok: true, pipeline, trials: undefined, warnings, missing };

  const { points, problems } = pointsOf(sweep, pipeline.sweep);
  const trials: LoadedTrial[] = [];
  const lookups = [missing];
  const entries = new Map(read.tree.entries);
  entries.delete('sweep');
  for (const point of points) {
    const chosen = await choosing(file, point, options);
    if (chosen?.ok === false) return chosen;
    const applied = applyPoint(
      chosen ?? { ...read, tree: { ...read.tree, entries } },
      point,
      options.rules.schema,
    );
    const trial = checkConfiguration(applied, options);
    if (trial.pipeline && trial.problems.length === 0) {
      trials.push({ pipeline: trial.pipeline, ...valuesOf(trial, point) });
      lookups.push(trial.missing);
    } else problems.push(...trial.problems.map((problem) => ofPoint(problem, point)));
  }
  return problems.length > 0
    ? invalid(problems, read.files)
    : { ok: true, pipeline, trials, warnings, missing: () => distinct(lookups.flatMap((look) => look())) };
}

/** Each place once: most paths are those of all trials. */
function distinct(paths: readonly MissingPath[]): readonly MissingPath[] {
  return [...new Map(paths.map((found) => [`${found.file}:${found.line}:${found.column}`, found])).values()];
}

/** The file with other `options` chosen, where the point says so: below `--set` options, and below the point's values. */
async function choosing(
  file: string,
  point: Point,
  options: LoadOptions,
): Promise<(Configuration & { readonly ok: true }) | Invalid | undefined> {
  const choice = point.get('choose');
  if (!choice) return undefined;
  const set = [...(options.set ?? []), `choose=${asOption(choice.value)}`];
  const read = await readConfiguration(file, { ...options, set });
  if (!read.ok) return read;
  const entries = new Map(read.tree.entries);
  entries.delete('sweep');
  const problems = read.problems.map((problem) =>
    problem.code === 'unknown-option' ? { ...problem, span: choice.value.span } : problem,
  );
  return { ...read, tree: { ...read.tree, entries }, problems };
}

function applyPoint(read: Configuration, point: Point, schema: Schema): Configuration {
  const problems = [...read.problems];
  let result: Tree = read.tree;
  for (const [key, { key: span, value }] of point) {
    if (key === 'choose') continue;
    const set = setValue(result, key, span, value, schema);
    if ('problem' in set) problems.push(set.problem);
    else result = set.tree;
  }
  return { ...read, tree: result as MapTree, problems };
}

/** A problem that is shown elsewhere than in the sweep says which point has it. */
function ofPoint(problem: Problem, point: Point): Problem {
  const places = [...point.values()].flatMap(({ key, value }) => [key, value.span]);
  const isInPoint = ({ source, start, end }: Span): boolean =>
    places.some((place) => place.source === source && place.start <= start && end <= place.end);
  const { related = [] } = problem;
  const shown = [problem, ...related].some(({ span }) => isInPoint(span));
  const first = places[1];
  if (shown || !first) return problem;
  const values = Array.from(point, ([key, { value }]) => code(`${key}: ${JSON.stringify(plain(value))}`));
  return {
    ...problem,
    related: [...related, { message: `in the trial with ${values.join(', ')}`, span: first }],
  };
}

function valuesOf(
  { tree, template }: Pick<Checked, 'tree' | 'template'>,
  point: Point,
): Pick<LoadedTrial, 'values' | 'set'> {
  const values = new Map<string, unknown>();
  const set: string[] = [];
  for (const [key, { value: written }] of point) {
    const find = (root: Tree): Tree | undefined =>
      key.split('.').reduce<Tree | undefined>((at, part) => at && member(at, part)?.value, root);
    const chosen = key === 'choose' ? written : find(tree);
    // Stages that `foreach` makes have other names than the one that is varied: its references are still to be filled.
    const value = chosen ?? find(template);
    values.set(key, value && plain(value));
    set.push(`${key}=${chosen === undefined && value ? JSON.stringify(plain(value)) : asOption(chosen)}`);
  }
  return { values, set };
}

/** A value as YAML in one line, which is looked through for references to the environment again. */
const asOption = (value: Tree | undefined): string =>
  value === undefined ? 'null' : JSON.stringify(plain(value)).replaceAll('${', () => '$${');
