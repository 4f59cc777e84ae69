import { UserError } from '../../errors.js';
import { sizeOf } from '../../tensorflow/index.js';
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

/**
 * The model that a state dict of the reference belongs to, worked out from the shapes of its tensors.
 *
 * @param path named in errors
 * @param heads attention heads where no block has mediators, whose tables tell them
 * @param labelDropout probability to record: shapes tell only whether a null class is expected
 * @throws UserError `checkpoint-mismatch` where a tensor that tells a size is missing
 */
export function inferConfig(
  shapes: StateShapes,
  path: string,
  { heads, labelDropout = 0.1 }: { readonly heads?: number; readonly labelDropout?: number } = {},
): SiTConfig {
  const shapeOf = (name: string, rank: number): readonly number[] => {
    const shape = shapes.get(name);
    if (shape?.length === rank) return shape;
    throw mismatch(path, [
      shape === undefined ? `${name} is missing` : `${name} has the shape [${shape.join(', ')}]`,
    ]);
  };
  const [hiddenSize, channels, patchSize] = shapeOf('x_embedder.proj.weight', 4) as [number, number, number];
  const [, tokens] = shapeOf(positionName, 3) as [number, number];
  const [rows] = shapeOf('y_embedder.embedding_table.weight', 2) as [number];
  const blocks = [...shapes.keys()].map((name) => Number(/^blocks\.(\d+)\./.exec(name)?.[1] ?? -1));
  const depth = 1 + Math.max(-1, ...blocks);
  const tables = Array.from({ length: depth }, (_, block) => shapes.get(`blocks.${block}.attn.an_bias`));
  const knownHeads = tables.find((table) => table !== undefined)?.[0] ?? heads;
  const queryNorm = shapes.get('blocks.0.attn.q_norm.weight');
  if (knownHeads === undefined)
    throw new UserError({
      code: 'heads-unknown',
      message: `${path}: no tensor tells the number of attention heads, as no block has mediators.`,
      remedy: 'Name the heads: 6 for SiT-S, 12 for SiT-B, 16 for SiT-L and SiT-XL.',
    });
  return {
    latentSize: Math.sqrt(tokens) * patchSize,
    channels,
    patchSize,
    hiddenSize,
    depth,
    heads: knownHeads,
    classes: rows - (labelDropout > 0 ? 1 : 0),
    mediators: tables.map((table) => table?.[1] ?? 0),
    labelDropout,
    ...(queryNorm !== undefined && { qkNorm: true }),
  };
}

/** @throws UserError `checkpoint-mismatch` naming every missing, unexpected and wrongly shaped tensor at once. */
export function checkState(found: StateShapes, config: SiTConfig, path: string): void {
  const expected = referenceShapes(config);
  const text = (shape: readonly number[]) => `[${shape.join(', ')}]`;
  const problems = [...expected].flatMap(([name, shape]) => {
    const given = found.get(name);
    if (given === undefined) return [`${name} is missing`];
    return sizeOf(given) === sizeOf(shape) && given.join() === shape.join()
      ? []
      : [`${name} has the shape ${text(given)}, ${text(shape)} is expected`];
  });
  const unexpected = [...found.keys()].filter((name) => !expected.has(name));
  problems.push(...unexpected.map((name) => `${name} is not expected`));
  if (problems.length > 0) throw mismatch(path, problems);
}

function mismatch(path: string, problems: readonly string[]): UserError {
  return new UserError({
    code: 'checkpoint-mismatch',
    message: `${path}: not the weights of this model:\n${problems.map((problem) => `  ${problem}`).join('\n')}`,
    remedy: 'Use a checkpoint of the same model, or describe the model that the checkpoint is of.',
  });
}
