import { type Tensor, type Tensor1D, type Tensor4D, type Tensors, tf } from '../../tensorflow/index.js';
import { attentionRows, queryKeyValue } from './attention.js';
import { gridOf, rotaryPlaces, type SiTConfig, sitParameters } from './config.js';
import { attentionProjection, block, type Passing, sit } from './sit.js';

/** Rows of an attention that are compared with each other at most. */
const mostRows = 64;

/** Blocks with full attention. */
export function examinedBlocks({ mediators }: SiTConfig): number[] {
  return mediators.flatMap((count, i) => (count === 0 ? [i] : []));
}

/** Distance between the rows of an attention that are compared: 1 where there are few enough for all. */
export function rowStride(tokens: number, most = mostRows): number {
  let stride = 1;
  while (tokens % stride !== 0 || tokens / stride > most) stride++;
  return stride;
}

/**
 * Measures the blocks with full attention at points of the path.
 *
 * @param counts of mediators that take the place of each block's attention, the others left as they are; without biases
 *   and convolution, as training from the model begins
 * @returns for each examined block: `divergence`, the mean Jensen–Shannon divergence between rows of attention in nats,
 *   summed over the samples; `output`, the sum of the output's squares; `moved`, those of the difference with each count:
 *   [blocks], [blocks] and [blocks, counts]
 * Source: "Efficient Diffusion Transformer with Step-wise Dynamic Attention Mediators", ECCV 2024, section 3.2.
 */
export function examineAttention(
  weights: Tensors,
  config: SiTConfig,
  { x, t, y }: { readonly x: Tensor4D; readonly t: Tensor1D; readonly y: Tensor1D },
  counts: readonly number[],
): Record<'divergence' | 'output' | 'moved', Tensor> {
  const found: Record<'divergence' | 'output' | 'moved', Tensor[]> = {
    divergence: [],
    output: [],
    moved: [],
  };
  sit(weights, config, x, t, y, (start, _, condition) => {
    let passing: Passing = { h: start };
    for (const [i, mediators] of config.mediators.entries()) {
      const name = `blocks.${i}`;
      const before = passing;
      const end = block(weights, config, name, mediators, before, condition);
      if (mediators === 0) {
        const project = attentionProjection(weights, name, before.h, condition);
        const attention = `${name}.attention`;
        const qkv = queryKeyValue(project, weights, attention, config.heads, before.values);
        const sides = rotaryPlaces(config);
        const shape = { heads: config.heads, places: sides && { sides }, grid: gridOf(config) };
        const rows = attentionRows(qkv, weights, attention, shape);
        found.divergence.push(divergenceBetweenRows(rows).mean(0).sum());
        found.output.push(end.h.square().sum());
        const distances = counts.map((count) =>
          block(withMediators(weights, config, i, count), config, name, count, before, condition)
            .h.sub(end.h)
            .square()
            .sum(),
        );
        found.moved.push(tf.stack(distances));
      }
      passing = end;
    }
    return passing.h;
  });
  return {
    divergence: tf.stack(found.divergence),
    output: tf.stack(found.output),
    moved: tf.stack(found.moved),
  };
}

/** Weights with those that mediators add to a block, all zero. */
function withMediators(weights: Tensors, config: SiTConfig, block: number, count: number): Tensors {
  const mediators = config.mediators.map((own, i) => (i === block ? count : own));
  const added = sitParameters({ ...config, mediators }).filter(({ name }) => !(name in weights));
  return { ...weights, ...Object.fromEntries(added.map(({ name, shape }) => [name, tf.zeros([...shape])])) };
}

/**
 * Mean Jensen–Shannon divergence between two different rows of attention, in nats; of a large one, between rows at equal
 * distances.
 *
 * @param rows probabilities, [heads, batch, rows, keys]
 * @returns [heads, batch]
 */
export function divergenceBetweenRows(rows: Tensor, most = mostRows): Tensor {
  const [heads, batch, tokens, keys] = rows.shape as [number, number, number, number];
  const stride = rowStride(tokens, most);
  const count = tokens / stride;
  if (count === 1) return tf.zeros([heads, batch]);
  const taken = rows
    .reshape([heads, batch, count, stride * keys])
    .slice([0, 0, 0, 0], [heads, batch, count, keys]);
  const own = entropy(taken).mean(2);
  // One row with all at a time: their mixtures are as many numbers as the rows.
  const mixed = tf
    .split(taken, count, 2)
    .map((row) => entropy(taken.add(row).mul(0.5)).sum(2))
    .reduce((sum, each) => sum.add(each));
  // A row with itself has none: of count² pairs, count · (count − 1) are of different rows.
  return mixed.sub(own.mul(count * count)).div(count * (count - 1));
}

/** Entropy of distributions along the last axis, in nats. */
function entropy(p: Tensor): Tensor {
  return p.mul(p.maximum(1e-37).log()).sum(-1).neg();
}
