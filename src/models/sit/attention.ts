import { layerNorm } from '../../nn/layer-norm.js';
import { linear } from '../../nn/linear.js';
import { adaptivePooling, halfPixelInterpolation, overGrid } from '../../nn/resampling.js';
import { type Tensor, type Tensor4D, type Tensors, tf } from '../../tensorflow/index.js';
import { biasTableSize } from './parameters.js';

/** Multi-head attention of every token to every other: [batch, tokens, channels] → the same shape. */
export function fullAttention(x: Tensor, weights: Tensors, name: string, heads: number): Tensor {
  const [q, k, v] = queryKeyValue(x, weights, name, heads);
  const scale = (x.shape[2]! / heads) ** -0.5;
  const scores = tf.matMul(splitHeads(q.mul(scale), heads), splitHeads(k, heads), false, true);
  return project(mergeHeads(tf.matMul(scores.softmax(), splitHeads(v, heads))), weights, name);
}

/**
 * Attention through mediators: mediator tokens, which are averages of queries over windows of the grid, first
 * gather from all keys, then every query reads from them. Linear in the number of tokens.
 *
 * @param x [batch, grid², channels]
 * @param mediators a perfect square
 * Source: "Efficient Diffusion Transformer with Step-wise Dynamic Attention Mediators", ECCV 2024, section 3.
 */
export function mediatorAttention(
  x: Tensor,
  weights: Tensors,
  name: string,
  { heads, mediators, grid }: { heads: number; mediators: number; grid: number },
): Tensor {
  const [batch, tokens, channels] = x.shape as [number, number, number];
  const [q, k, v] = queryKeyValue(x, weights, name, heads);
  const scale = (channels / heads) ** -0.5;
  const mediatorTokens = splitHeads(pool(q, grid, mediators).mul(scale), heads);
  const values = splitHeads(v, heads);

  const gather = tf
    .matMul(mediatorTokens, splitHeads(k, heads), false, true)
    .add(mediatorBias(weights, name, grid));
  const gathered = tf.matMul(gather.softmax(), values);
  const read = tf
    .matMul(splitHeads(q, heads), mediatorTokens, false, true)
    .add(queryBias(weights, name, grid));
  const attended = mergeHeads(tf.matMul(read.softmax(), gathered));

  const map = v.reshape<Tensor4D>([batch, grid, grid, channels]);
  const local = tf.depthwiseConv2d(map, weights[`${name}.depthwise.weight`] as Tensor4D, 1, 'same');
  const detail = local.add(weights[`${name}.depthwise.bias`]!).reshape([batch, tokens, channels]);
  return project(attended.add(detail), weights, name);
}

/** Bias of mediators towards keys: [heads, mediators, tokens]. */
function mediatorBias(weights: Tensors, name: string, grid: number): Tensor {
  const table = weights[`${name}.mediatorBias.table`]!;
  const [heads, mediators] = table.shape as [number, number];
  const row = weights[`${name}.mediatorBias.row`]!.reshape([heads, mediators, grid, 1]);
  const column = weights[`${name}.mediatorBias.column`]!.reshape([heads, mediators, 1, grid]);
  return interpolate(table, grid).add(row.add(column).reshape([heads, mediators, grid * grid]));
}

/** Bias of queries towards mediators: [heads, tokens, mediators]. */
function queryBias(weights: Tensors, name: string, grid: number): Tensor {
  const table = weights[`${name}.queryBias.table`]!;
  const [heads, mediators] = table.shape as [number, number];
  const row = weights[`${name}.queryBias.row`]!.reshape([heads, grid, 1, mediators]);
  const column = weights[`${name}.queryBias.column`]!.reshape([heads, 1, grid, mediators]);
  return interpolate(table, grid)
    .transpose([0, 2, 1])
    .add(row.add(column).reshape([heads, grid * grid, mediators]));
}

/** Resizes [heads, mediators, 7, 7] tables to the grid, bilinearly: [heads, mediators, grid²]. */
function interpolate(table: Tensor, grid: number): Tensor {
  const [heads, mediators] = table.shape as [number, number];
  const { rows, columns, data } = overGrid(halfPixelInterpolation(biasTableSize, grid));
  const flat = table.reshape([heads * mediators, columns]);
  return tf.matMul(flat, tf.tensor2d(data, [rows, columns]), false, true).reshape([heads, mediators, rows]);
}

/** Averages over √mediators × √mediators adaptive windows: [batch, grid², channels] → [batch, mediators, channels]. */
function pool(q: Tensor, grid: number, mediators: number): Tensor {
  const { rows, columns, data } = overGrid(adaptivePooling(grid, Math.sqrt(mediators)));
  return tf.matMul(tf.tensor3d(data, [1, rows, columns]), q);
}

/** Queries, keys and values, [batch, tokens, channels] each; queries and keys normalised where the model has norms. */
function queryKeyValue(x: Tensor, weights: Tensors, name: string, heads: number): [Tensor, Tensor, Tensor] {
  const qkv = linear(x, weights[`${name}.qkv.weight`]!, weights[`${name}.qkv.bias`]!);
  const [q, k, v] = tf.split(qkv, 3, -1) as [Tensor, Tensor, Tensor];
  const normed = (value: Tensor, norm: string) => normalizeHeads(value, weights, `${name}.${norm}`, heads);
  return [normed(q, 'queryNorm'), normed(k, 'keyNorm'), v];
}

/**
 * Layer norm of every head's part of [batch, tokens, channels], which bounds the scores; x where there is no such norm.
 * Source: Dehghani et al., "Scaling vision transformers to 22 billion parameters", arXiv 2302.05442; timm's `qk_norm`.
 */
function normalizeHeads(x: Tensor, weights: Tensors, name: string, heads: number): Tensor {
  const weight = weights[`${name}.weight`];
  if (weight === undefined) return x;
  const [batch, tokens, channels] = x.shape as [number, number, number];
  const split = x.reshape([batch, tokens, heads, channels / heads]);
  return layerNorm(split, weight, weights[`${name}.bias`]!).reshape(x.shape);
}

function project(x: Tensor, weights: Tensors, name: string): Tensor {
  return linear(x, weights[`${name}.projection.weight`]!, weights[`${name}.projection.bias`]!);
}

/** [batch, tokens, channels] → [batch, heads, tokens, channels / heads] */
function splitHeads(x: Tensor, heads: number): Tensor {
  const [batch, tokens, channels] = x.shape as [number, number, number];
  return x.reshape([batch, tokens, heads, channels / heads]).transpose([0, 2, 1, 3]);
}

/** [batch, heads, tokens, size] → [batch, tokens, heads · size] */
function mergeHeads(x: Tensor): Tensor {
  const [batch, heads, tokens, size] = x.shape as [number, number, number, number];
  return x.transpose([0, 2, 1, 3]).reshape([batch, tokens, heads * size]);
}
