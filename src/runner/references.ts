import { code, listed, oneOf, type Problem, suggestion } from './diagnostics.js';
import type { WrittenReference } from './schema/defaults.js';
import { spanAt, type Tree } from './yaml/tree.js';

/** A stage as far as references need it; its configuration may be invalid otherwise. */
export interface ReferringStage {
  readonly id: string;
  /** Kind of stage, if `uses` names one. */
  readonly kind: string | undefined;
  readonly references: readonly WrittenReference[];
}

/** Checks that stages name stages that exist, are of a kind that fits, and are not made from what they make. */
export function checkReferences(stages: ReadonlyMap<string, ReferringStage>, root: Tree): Problem[] {
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
  const wanted = kinds === 'any' ? 'a stage' : `a stage of kind ${oneOf(kinds.map(code))}`;
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
