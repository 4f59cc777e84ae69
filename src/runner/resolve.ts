import type { RuntimeConfig } from '../generated/index.js';
import { CheckContext, type PipelineRules } from './check.js';
import type { Problem } from './diagnostics.js';
import { explain, trainedAndTaken } from './explain/explain.js';
import { pathOf } from './explain/values.js';
import type { Pipeline, PipelineStage } from './pipeline.js';
import { checkReferences, type ReferringStage } from './references.js';
import { keysWithoutEffect, oncePerValue, withDefaults, writtenReferences } from './schema/defaults.js';
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

  const [together, others] = trainedAndTaken(errors, root);
  const problems = [
    ...together,
    ...others.flatMap((error) => explain(error, root)),
    ...checkReferences(referring, root),
    ...context.problems,
  ];
  if (errors.length > 0) return { pipeline: undefined, problems };
  const top = withDefaults(schema, { ...value, stages: {} }) as ResolvedPipeline;
  return { pipeline: { ...top, stages }, problems };
}

/** Lists everything that is wrong with a pipeline that is made of values, in place of a file. */
export function optionProblems(
  pipeline: object,
  rules: PipelineRules,
): readonly Pick<Problem, 'message' | 'remedy'>[] {
  return resolvePipeline(treeOf(pipeline), rules).problems;
}

type Written = Readonly<Record<string, unknown>>;

const isMap = (value: unknown): value is Written =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

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
