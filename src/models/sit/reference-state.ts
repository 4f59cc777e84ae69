import { UserError } from '../../errors.js';
import { type SiTConfig, gridOf } from './config.js';
import { sitParameters } from './parameters.js';
import { referencePlace } from './reference-names.js';

/** Shapes of a state dict's tensors by the reference's names. */
export type StateShapes = ReadonlyMap<string, readonly number[]>;

/** The reference keeps the position embedding among its tensors; ours is computed. */
export const positionName = 'pos_embed';

/** Every tensor of the reference's state dict for a model, which `load_state_dict(strict=True)` asks for. */
export function referenceShapes(config: SiTConfig): Map<string, readonly number[]> {
  const places = sitParameters(config).map((parameter) => referencePlace(parameter, config));
  return new Map([
    [positionName, [1, gridOf(config) ** 2, config.hiddenSize]],
    ...places.map(({ name, shape }) => [name, shape] as const),
  ]);
}

/** What a file does not tell by its tensors' shapes. */
export interface InferenceHints {
  /** Attention heads of a model of this width and depth: needed where no block has mediators, whose tables tell them. */
  readonly headsOf?: (model: Pick<SiTConfig, 'hiddenSize' | 'depth'>) => number | undefined;
  /** Classes without the null class, where known: whether there is a null class follows. */
  readonly classes?: number | undefined;
  /** Probability to record. Zero: there is no null class. */
  readonly labelDropout?: number | undefined;
}

const usualLabelDropout = 0.1;

/**
 * The model that a state dict of the reference belongs to, worked out from the shapes of its tensors.
 *
 * @param path named in errors
 * @throws UserError `checkpoint-mismatch` where tensors that tell a size are missing; `heads-unknown`
 */
export function inferConfig(shapes: StateShapes, path: string, hints: InferenceHints = {}): SiTConfig {
  const problems: string[] = [];
  const shapeOf = (name: string, rank: number): readonly number[] => {
    const shape = shapes.get(name);
    if (shape?.length !== rank)
      problems.push(
        shape === undefined ? `${name} is missing` : `${name} has the shape [${shape.join(', ')}]`,
      );
    return shape ?? [];
  };
  const [hiddenSize = 0, channels = 0, patchSize = 0] = shapeOf('x_embedder.proj.weight', 4);
  const [, tokens = 0] = shapeOf(positionName, 3);
  const [rows = 0] = shapeOf('y_embedder.embedding_table.weight', 2);
  const grid = Math.sqrt(tokens);
  if (!Number.isInteger(grid))
    problems.push(`${positionName} has ${tokens} tokens, which are no square grid`);
  if (problems.length > 0) throw mismatch(path, problems);
  const blocks = new Set([...shapes.keys()].flatMap((name) => /^blocks\.(\d+)\./.exec(name)?.[1] ?? []));
  const depth = blocks.size;
  const beyond = [...blocks].find((block) => !(Number(block) < depth));
  if (beyond !== undefined)
    throw mismatch(path, [`it has a block ${beyond}, and only ${depth} in all: they are counted from 0`]);
  const tables = Array.from({ length: depth }, (_, block) => shapes.get(`blocks.${block}.attn.an_bias`));
  const queryNorm = shapes.get('blocks.0.attn.q_norm.weight');
  const heads =
    tables.find((table) => table !== undefined)?.[0] ??
    (queryNorm && hiddenSize / queryNorm[0]!) ??
    hints.headsOf?.({ hiddenSize, depth });
  if (heads === undefined)
    throw new UserError({
      code: 'heads-unknown',
      message: `${path}: no tensor tells the number of attention heads, as no block has mediators.`,
      remedy: 'Name the heads: 6 for SiT-S, 12 for SiT-B, 16 for SiT-L and SiT-XL.',
    });
  const labelDropout = hints.labelDropout ?? (hints.classes === rows ? 0 : usualLabelDropout);
  return {
    latentSize: grid * patchSize,
    channels,
    patchSize,
    hiddenSize,
    depth,
    heads,
    classes: rows - (labelDropout > 0 ? 1 : 0),
    mediators: tables.map((table) => table?.[1] ?? 0),
    labelDropout,
    ...(queryNorm !== undefined && { qkNorm: true }),
  };
}

/** @throws UserError `checkpoint-mismatch` naming every missing, unexpected and wrongly shaped tensor at once. */
export function checkState(found: StateShapes, config: SiTConfig, path: string): void {
  const problems = stateProblems(found, referenceShapes(config));
  if (problems.length > 0) throw mismatch(path, problems);
}

/** What is missing, unexpected or of another shape among `found`. */
export function stateProblems(found: StateShapes, expected: StateShapes): string[] {
  const text = (shape: readonly number[]) => `[${shape.join(', ')}]`;
  const wrong = [...expected].flatMap(([name, shape]) => {
    const given = found.get(name);
    if (given === undefined) return [`${name} is missing`];
    return given.join() === shape.join()
      ? []
      : [`${name} has the shape ${text(given)}, ${text(shape)} is expected`];
  });
  const unexpected = [...found.keys()].filter((name) => !expected.has(name));
  return [...wrong, ...unexpected.map((name) => `${name} is not expected`)];
}

/** Problems that are listed; of another model there are as many as it has tensors. */
const listedProblems = 100;

/** The error of weights that are not those of a model. */
export function mismatch(path: string, problems: readonly string[]): UserError {
  const more = problems.length - listedProblems;
  const told = more > 0 ? [...problems.slice(0, listedProblems), `and ${more} more`] : problems;
  return new UserError({
    code: 'checkpoint-mismatch',
    message: `${path}: not the weights of this model:\n${told.map((problem) => `  ${problem}`).join('\n')}`,
    remedy: 'Use a checkpoint of the same model, or describe the model that the checkpoint is of.',
  });
}
