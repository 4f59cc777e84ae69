import { silu, sumOfRows } from '../../nn/activations.js';
import { differentiable, recomputed } from '../../nn/differentiable.js';
import { timestepEmbedding } from '../../nn/embeddings.js';
import type { KeptTokens } from '../../nn/kept-tokens.js';
import { positionEmbedding } from '../../nn/positions.js';
import { constantLinear, geluLinear, linear, linearOf, product, swiGluLinear } from '../../nn/layers.js';
import { adaLayerNorm, adaRmsNorm } from '../../nn/norms.js';
import { modulatedLinear, modulatedMlp } from '../../nn/remade-factors.js';
import { asFactor, fused, fusesInTraining, openSession, tf } from '../../tensorflow/index.js';
import type {
  ProgramSession,
  RuntimeOptions,
  Tensor,
  Tensor1D,
  Tensor4D,
  Tensors,
  WorkerServer,
} from '../../tensorflow/index.js';
import { fullAttention, mediatorAttention, type Projection, queryKeyValue } from './attention.js';
import { gridOf, rotaryPlaces, type SiTConfig, timestepFrequencies } from './config.js';
import { firstValues } from './value-residual.js';

/**
 * The scalable interpolant transformer: what flows through latents at time t under a class.
 *
 * @param weights by the names of `sitParameters`
 * @param x latents [batch, latentSize, latentSize, channels]
 * @param t times in [0, 1], [batch]; 0 is noise, 1 is data
 * @param y classes [batch], int32; `config.classes` is the null class
 * @param through stands between the embedding and the last layer, in place of the blocks
 * @param recompute whether gradients keep each block's input alone and compute the block anew
 * @returns the network's output, of x's shape
 * Source: Ma et al., "SiT", arXiv 2401.08740; the reference's models.py.
 */
export function sit(
  weights: Tensors,
  config: SiTConfig,
  x: Tensor4D,
  t: Tensor1D,
  y: Tensor1D,
  through: ThroughBlocks = (h, blocks) => blocks(h),
  recompute = false,
): Tensor4D {
  const condition = conditionOf(weights, t, y);
  const blocks = blocksOf(weights, config, condition, recompute ? recomputedBlock : block);
  return finalLayer(weights, config, through(embedPatches(weights, config, x), blocks, condition), condition);
}

/** Blocks, or those from one to before another, applied to tokens `[batch, tokens, hidden]`: all, or those that are kept. */
type Blocks = (h: Tensor, from?: number, to?: number, kept?: KeptTokens) => Tensor;

/**
 * Way of tokens `[batch, tokens, hidden]` through the blocks: by them, or by what is known of their outputs. `condition`
 * is what blocks are conditioned on.
 */
export type ThroughBlocks = (h: Tensor, blocks: Blocks, condition: Tensor) => Tensor;

/** The tokens `[batch, tokens, hidden]` of latents after the first `count` blocks. */
export function tokensAfter(
  weights: Tensors,
  config: SiTConfig,
  { x, t, y }: { readonly x: Tensor4D; readonly t: Tensor1D; readonly y: Tensor1D },
  count: number,
): Tensor {
  const blocks = blocksOf(weights, config, conditionOf(weights, t, y), block);
  return blocks(embedPatches(weights, config, x), 0, count);
}

/** The blocks of a model, each computed by `apply`; the first is asked for before those that take its values. */
function blocksOf(weights: Tensors, config: SiTConfig, condition: Tensor, apply: typeof block): Blocks {
  /** Values of the first block, of all tokens. */
  let values: Tensor | undefined;
  return (h, from = 0, to = config.mediators.length, kept?) => {
    const start: Passing = { h, values: kept && values ? kept.take(values) : values };
    const end = config.mediators
      .slice(from, to)
      .reduce(
        (passing, mediators, i) =>
          apply(weights, config, `blocks.${from + i}`, mediators, passing, condition, kept),
        start,
      );
    if (kept === undefined) values = end.values;
    return end.h;
  };
}

/** Condition of the blocks, by times and labels: [batch, hidden]. */
function conditionOf(weights: Tensors, t: Tensor1D, y: Tensor1D): Tensor {
  return silu(embedTimestep(weights, t).add(embedLabel(weights, y)));
}

/** Numbers that pass from block to block, of all tokens or of those that are kept: [batch, tokens, hidden] each. */
export interface Passing {
  /** The tokens. */
  readonly h: Tensor;
  /** Values of the first block's attention, where others mix theirs with them; before the first block none. */
  readonly values?: Tensor | undefined;
}

/** One transformer block with adaLN-Zero. `condition` is [batch, hidden] after SiLU. */
export function block(
  weights: Tensors,
  config: SiTConfig,
  name: string,
  mediators: number,
  { h, values }: Passing,
  condition: Tensor,
  kept?: KeptTokens,
): Passing {
  const [shift1, scale1, gate1, shift2, scale2, gate2] = modulation(weights, name, condition, 6);
  const project = projectionOfNorm(weights, `${name}.attentionNorm`, h, shift1!, scale1!);
  const attention = `${name}.attention`;
  const sides = rotaryPlaces(config);
  const shape = { heads: config.heads, places: sides && { sides, kept }, grid: gridOf(config), kept };
  const qkv = queryKeyValue(project, weights, attention, config.heads, values);
  const first = values ?? (config.valueResidual === true ? firstValues(qkv) : undefined);
  const attended =
    mediators === 0
      ? fullAttention(qkv, weights, attention, shape)
      : mediatorAttention(qkv, weights, attention, { ...shape, mediators });
  const middle = addBranch(h, gate1!, attended, weights, `${attention}.projection`);
  const [w1, b1] = [weights[`${name}.mlp.in.weight`]!, weights[`${name}.mlp.in.bias`]!];
  const rms = `${name}.mlpNorm.weight` in weights;
  if (fusesInTraining(middle) && !rms && config.swiGlu !== true) {
    const [w2, b2] = [weights[`${name}.mlp.out.weight`]!, weights[`${name}.mlp.out.bias`]!];
    const result = modulatedMlp(middle, [shift2!, scale2!], { weight: w1, bias: b1 }, w2);
    return { h: gatedResidual(middle, gate2!, result, b2), values: first };
  }
  const normedMiddle = modulatedNorm(weights, `${name}.mlpNorm`, middle, shift2!, scale2!);
  const hidden = (config.swiGlu === true ? swiGluLinear : geluLinear)(normedMiddle, w1, b1);
  return { h: addBranch(middle, gate2!, hidden, weights, `${name}.mlp.out`), values: first };
}

/** A norm, modulated: of the root mean square where it has a learned scale, else a layer norm. */
function modulatedNorm(weights: Tensors, name: string, x: Tensor, shift: Tensor, scale: Tensor): Tensor {
  const weight = weights[`${name}.weight`];
  return weight === undefined
    ? adaLayerNorm(x, shift, scale)
    : adaRmsNorm(x, shift, scale.add(1).mul(weight));
}

/** Adds a branch, whose last layer takes x, to the trunk: h + gate·(x·W + b). */
function addBranch(h: Tensor, gate: Tensor, x: Tensor, weights: Tensors, name: string): Tensor {
  const [weight, bias] = [weights[`${name}.weight`]!, weights[`${name}.bias`]!];
  const result = constantLinear(x, weight, bias);
  return result === undefined
    ? gatedResidual(h, gate, product(x, weight), bias)
    : gatedSum(h, gate, result)[0];
}

/** The linear layer of what a block's attention takes. */
export function attentionProjection(
  weights: Tensors,
  name: string,
  h: Tensor,
  condition: Tensor,
): Projection {
  const [shift, scale] = modulation(weights, name, condition, 6);
  return projectionOfNorm(weights, `${name}.attentionNorm`, h, shift!, scale!);
}

/** A linear layer of a modulated norm. */
function projectionOfNorm(
  weights: Tensors,
  name: string,
  x: Tensor,
  shift: Tensor,
  scale: Tensor,
): Projection {
  return `${name}.weight` in weights
    ? (weight, bias) => linear(modulatedNorm(weights, name, x, shift, scale), weight, bias)
    : (weight, bias) => modulatedLinear(x, [shift, scale], weight, bias);
}

/** Computes a block as `block` does; its gradient computes it anew. */
const recomputedBlock: typeof block = (weights, config, name, mediators, { h, values }, condition, kept) => {
  const own = Object.keys(weights).filter((weight) => weight.startsWith(`${name}.`));
  const isFirst = config.valueResidual === true && values === undefined;
  const result = recomputed((h, condition, ...given) => {
    const end = block(
      Object.fromEntries(own.map((weight, i) => [weight, given[i]!])),
      config,
      name,
      mediators,
      { h, values: given[own.length] },
      condition,
      kept,
    );
    // A gradient is of one tensor: the first block's values stand beside its tokens.
    return isFirst ? tf.concat([end.h, end.values!], -1) : end.h;
  })(h, condition, ...own.map((weight) => weights[weight]!), ...(values ? [values] : []));
  if (!isFirst) return { h: result, values };
  const [tokens, first] = tf.split(result, 2, -1) as [Tensor, Tensor];
  return { h: tokens, values: first };
};

/** `count` tensors of shape [batch, 1, hidden] that shift, scale and gate a block. */
function modulation(weights: Tensors, name: string, condition: Tensor, count: number): Tensor[] {
  const all = linearOf(weights, `${name}.modulation`, condition);
  return tf.split(all.expandDims(1), count, -1);
}

function embedTimestep(weights: Tensors, t: Tensor1D): Tensor {
  const frequencies = timestepEmbedding(t, timestepFrequencies);
  const hidden = silu(linearOf(weights, 'timestepEmbedding.in', frequencies));
  return linearOf(weights, 'timestepEmbedding.out', hidden);
}

function embedLabel(weights: Tensors, y: Tensor1D): Tensor {
  const table = weights.labelEmbedding!;
  // A product with one-hot rows: the gradient is then a product too, and no index is read on the host.
  const classes = table.shape[0];
  // `oneHot` makes no row of a single column.
  const rows = classes === 1 ? tf.onesLike(y).expandDims(1) : tf.oneHot(y, classes);
  return tf.matMul(rows.cast('float32'), table);
}

function embedPatches(weights: Tensors, config: SiTConfig, x: Tensor4D): Tensor {
  const { patchSize, hiddenSize } = config;
  const grid = gridOf(config);
  const position = tf.tensor3d(positionEmbedding(hiddenSize, grid), [1, grid * grid, hiddenSize]);
  const patches = patchify(x, patchSize);
  return linearOf(weights, 'patchEmbedding', patches).add(position);
}

/** [batch, size, size, channels] → [batch, tokens, patch · patch · channels] */
function patchify(x: Tensor4D, patch: number): Tensor {
  const [batch, size, , channels] = x.shape;
  const grid = size / patch;
  return x
    .reshape([batch, grid, patch, grid, patch * channels])
    .transpose([0, 1, 3, 2, 4])
    .reshape([batch, grid * grid, patch * patch * channels]);
}

/** [batch, tokens, patch · patch · channels] → [batch, size, size, channels] */
function unpatchify(x: Tensor, grid: number, patch: number, channels: number): Tensor4D {
  const batch = x.shape[0];
  return x
    .reshape([batch, grid, grid, patch, patch * channels])
    .transpose([0, 1, 3, 2, 4])
    .reshape([batch, grid * patch, grid * patch, channels]);
}

function finalLayer(weights: Tensors, config: SiTConfig, h: Tensor, condition: Tensor): Tensor4D {
  const { patchSize, channels, hiddenSize } = config;
  const pixels = patchSize ** 2;
  const [shift, scale] = modulation(weights, 'final', condition, 2);
  // The projection also predicts a variance, which sampling and the loss leave out: it is not computed.
  const meanOnly = (values: Tensor, rows: number): Tensor =>
    values
      .reshape([rows, pixels, 2 * channels])
      .slice([0, 0, 0], [rows, pixels, channels])
      .reshape(rows === 1 ? [pixels * channels] : [rows, pixels * channels]);
  const weight = meanOnly(weights['final.projection.weight']!, hiddenSize);
  const bias = meanOnly(weights['final.projection.bias']!, 1);
  const patches = linear(modulatedNorm(weights, 'final.norm', h, shift!, scale!), weight, bias);
  return unpatchify(patches, gridOf(config), patchSize, channels);
}

/**
 * A branch's biased result, gated and added to the trunk: h + gate·(x + bias).
 *
 * `h` and `x` are [batch, tokens, channels], `gate` is [batch, 1, channels], `bias` [channels]. The gradient keeps
 * the gate, x and the bias. Source: Peebles and Xie, arXiv 2212.09748.
 */
export const gatedResidual = differentiable((h: Tensor, gate: Tensor, x: Tensor, bias: Tensor) => ({
  value: gatedBiasedSum(h, gate, x, bias)[0],
  saved: [gate, x, bias],
  gradient: (dy: Tensor, saved: Tensor[]) => {
    const [gate, x, bias] = saved as [Tensor, Tensor, Tensor];
    const [dGate, dx] = gatedGradient(dy, gate, x, bias);
    return [dy, dGate, dx, sumOfRows(dx)];
  },
}));

const gatedSum = fused('gated_sum', (h: Tensor, gate: Tensor, x: Tensor) => [h.add(gate.mul(x))] as const, {
  takesHalf: true,
});

const gatedBiasedSum = fused(
  'gated_residual',
  (h: Tensor, gate: Tensor, x: Tensor, bias: Tensor) => [h.add(gate.mul(x.add(bias)))] as const,
  { takesHalf: true },
);

const gatedGradient = fused(
  'gated_residual_gradient',
  (dy: Tensor, gate: Tensor, x: Tensor, bias: Tensor) =>
    [dy.mul(x.add(bias)).sum(1, true), asFactor(dy.mul(gate))] as const,
  { takesHalf: true },
);

/**
 * A session for programs of SiT models. They have few constants and no dense convolutions, and their products are
 * written with their biases: TensorFlow's rewriting would make them no faster, and takes as long as all else of a trace.
 */
export function openSitSession(runtime: RuntimeOptions = {}, server?: WorkerServer): ProgramSession {
  return openSession({ rewriting: false, ...runtime }, server);
}
