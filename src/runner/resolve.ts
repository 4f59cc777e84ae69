import { inWords } from '../base/format.js';
import { isMap } from '../base/is-map.js';
import type { RuntimeConfig } from '../generated/index.js';
import { CheckContext, type PipelineRules } from './check.js';
import { code, listed, type Problem, suggestion } from './diagnostics.js';
import { explain, mixedForms } from './explain/explain.js';
import { pathOf } from './explain/values.js';
import type { Pipeline, PipelineStage } from './pipeline.js';
import { keysWithoutEffect, oncePerValue, withDefaults, writtenReferences } from './schema/defaults.js';
import type { WrittenReference } from './schema/defaults.js';
import { type Schema, type SchemaError, stageKinds } from './schema/schema.js';
import { locate } from './yaml/text.js';
import { plain, spanAt, type Tree, treeOf } from './yaml/tree.js';

/** A pipeline without the places of its file. */
export type ResolvedPipeline = Omit<Pipeline, 'file' | 'directory'>;

/**
 * Checks a configuration by the schema and by the rules across keys and stages, and applies defaults.
 * Everything that is wrong is reported, except what cannot be judged because something else is wrong.
 *
 * @returns a pipeline unless the schema is violated; usable only without problems
 */
export function resolvePipeline(
  root: Tree,
  { schema, errors: errorsIn, checks }: PipelineRules,
): {
  pipeline: ResolvedPipeline | undefined;
  problems: readonly Problem[];
  warnings: readonly Problem[];
} {
  const value = plain(root) as Written;
  const errors = errorsIn(value);
  const broken = new Set(errors.map(brokenPart));
  const written = Object.entries(isMap(value.stages) ? value.stages : {});

  const referring = new Map(written.map(([id, stage]) => [id, referringStage(id, stage, schema)]));
  const valid = written.filter(([id]) => !broken.has(`stages/${id}`));
  const stages = new Map(
    valid.map(([id, stage]) => [id, resolvedStage(id, stage as Written, referring.get(id)!, schema, root)]),
  );
  const runtime = broken.has('runtime')
    ? undefined
    : (withDefaults(schema.properties!.runtime!, value.runtime ?? {}) as RuntimeConfig);
  const context = new CheckContext(root, stages, runtime);
  for (const stage of stages.values()) for (const check of checks[stage.kind] ?? []) check(stage, context);

  const [together, others] = mixedForms(errors, root, schema);
  const problems = [
    ...together,
    ...others.flatMap((error) => explain(error, root, schema)),
    ...checkReferences(referring, root),
    ...context.problems,
  ];
  const { warnings } = context;
  if (errors.length > 0 && problems.length === 0)
    throw new Error(
      `Nothing tells what is wrong: ${JSON.stringify(errors.map(({ schemaPath }) => schemaPath))}.`,
    );
  if (errors.length > 0) return { pipeline: undefined, problems, warnings };
  const top = withDefaults(schema, { ...value, stages: {} }) as ResolvedPipeline;
  return { pipeline: { ...top, stages }, problems, warnings };
}

/** Lists everything that is wrong with a pipeline that is made of values, in place of a file. */
export function optionProblems(
  pipeline: object,
  rules: PipelineRules,
): readonly Pick<Problem, 'message' | 'remedy'>[] {
  return resolvePipeline(treeOf(pipeline), rules).problems;
}

type Written = Readonly<Record<string, unknown>>;

/** The part of the file that an error makes unusable: a stage, `runtime`, or nothing in particular. */
function brokenPart({ instancePath }: SchemaError): string {
  const [part = '-', stage] = pathOf(instancePath);
  return part === 'stages' && stage !== undefined ? `stages/${stage}` : part;
}

const stageSchema = (pipeline: Schema): Schema => pipeline.properties!.stages!.additionalProperties as Schema;

const referencesIn = oncePerValue((schema, stage) => [...writtenReferences(schema, stage)]);

/** Defaults that only the values of a valid stage decide. */
const completed = oncePerValue((schema, stage) => {
  const complete = withDefaults(schema, stage) as Written;
  const { seed, runtime } = complete;
  const config = Object.fromEntries(
    Object.entries(complete).filter(([key]) => !['uses', 'seed', 'runtime'].includes(key)),
  );
  const own = { ...(seed !== undefined && { seed }), ...(runtime !== undefined && { runtime }) };
  return {
    config,
    ...(Object.keys(own).length > 0 && { own }),
    withoutEffect: Array.from(keysWithoutEffect(schema, complete), (path) => path.join('.')).filter(
      (path) => !path.startsWith('runtime.'),
    ),
  };
});

function referringStage(id: string, stage: unknown, schema: Schema): ReferringStage {
  const uses = isMap(stage) ? stage.uses : undefined;
  const kind = stageKinds(schema).find((known) => known === uses);
  return { id, kind, references: referencesIn(stageSchema(schema), stage) };
}

function resolvedStage(
  id: string,
  stage: Written,
  { kind, references }: ReferringStage,
  schema: Schema,
  root: Tree,
): PipelineStage {
  const { file, line, column } = locate(spanAt(root, ['stages', id], 'key'));
  return {
    id,
    kind,
    ...completed(stageSchema(schema), stage),
    references: references.map(({ path, stage: target }) => ({ path: path.join('.'), stage: target })),
    origin: { file, line, column },
  } as unknown as PipelineStage;
}

/** A stage as far as references need it; its configuration may be invalid otherwise. */
interface ReferringStage {
  readonly id: string;
  /** Kind of stage, if `uses` names one. */
  readonly kind: string | undefined;
  readonly references: readonly WrittenReference[];
}

/** Checks that stages name stages that exist, are of a kind that fits, and are not made from what they make. */
function checkReferences(stages: ReadonlyMap<string, ReferringStage>, root: Tree): Problem[] {
  const problems: Problem[] = [];
  const sound = new Map<string, WrittenReference[]>();
  for (const stage of stages.values()) {
    for (const reference of stage.references) {
      const problem = judge(stage, reference, stages);
      if (problem) problems.push({ ...problem, span: spanOf(root, stage.id, reference) });
      else sound.set(stage.id, [...(sound.get(stage.id) ?? []), reference]);
    }
  }
  return [...problems, ...cycles(sound, root)];
}

const spanOf = (root: Tree, stage: string, { path }: WrittenReference) =>
  spanAt(root, ['stages', stage, ...path], 'value');

function judge(
  stage: ReferringStage,
  reference: WrittenReference,
  stages: ReadonlyMap<string, ReferringStage>,
): Omit<Problem, 'span'> | undefined {
  const { kinds } = reference;
  const fitting = [...stages.values()]
    .filter(
      ({ id, kind }) => id !== stage.id && (kinds === 'any' || (kind !== undefined && kinds.includes(kind))),
    )
    .map(({ id }) => id);
  const wanted = kinds === 'any' ? 'a stage' : `a stage of kind ${inWords(kinds.map(code), 'or')}`;
  if (reference.stage === stage.id) {
    return {
      code: 'self-reference',
      message: `${code(stage.id)} names itself as its input.`,
      remedy: suggestion(reference.stage, fitting, 'Stages that fit'),
    };
  }
  const target = stages.get(reference.stage);
  if (!target) {
    return {
      code: 'unknown-stage',
      message: `${wanted[0]!.toUpperCase()}${wanted.slice(1)} is expected; there is no stage ${code(reference.stage)}.`,
      remedy: suggestion(reference.stage, fitting, 'Stages that fit') ?? 'There is none: add one.',
    };
  }
  if (target.kind === undefined || kinds === 'any' || kinds.includes(target.kind)) return undefined;
  return {
    code: 'wrong-stage-kind',
    message: `${wanted[0]!.toUpperCase()}${wanted.slice(1)} is expected; ${code(target.id)} is of kind ${code(target.kind)}.`,
    remedy: listed(fitting, 'Stages that fit') ?? 'There is none: add one.',
  };
}

/** Each cycle once, at the reference that closes it. */
function cycles(references: ReadonlyMap<string, readonly WrittenReference[]>, root: Tree): Problem[] {
  const problems: Problem[] = [];
  const finished = new Set<string>();
  const visit = (stage: string, trail: readonly string[]): void => {
    for (const reference of references.get(stage) ?? []) {
      const start = trail.indexOf(reference.stage);
      if (start >= 0) {
        const loop = [...trail.slice(start), reference.stage].map(code).join(' → ');
        problems.push({
          code: 'reference-cycle',
          message: `Stages need each other in a cycle: ${loop}.`,
          remedy: 'Remove one of these references.',
          span: spanOf(root, stage, reference),
        });
      } else if (!finished.has(reference.stage)) visit(reference.stage, [...trail, reference.stage]);
    }
    finished.add(stage);
  };
  for (const stage of references.keys()) if (!finished.has(stage)) visit(stage, [stage]);
  return problems;
}
