import type { KeptTokens } from '../../nn/kept-tokens.js';
import { layerNorm, rmsNorm } from '../../nn/norms.js';
import { halfPixelInterpolation, overGrid } from '../../nn/resampling.js';
import type { RotaryPlaces } from '../../nn/rotary.js';
import { type Tensor, type Tensors, tf } from '../../tensorflow/index.js';
import { attend, attendThroughMediators, attendWithDetail, splitQueryKeyValue } from './attend.js';
import { biasTableSize, valueShare } from './config.js';
import { withFirstValues } from './value-residual.js';

/** Heads, the side of the tokens' grid, and what there is where not each token is there. */
interface GridShape {
  readonly heads: number;
  readonly grid: number;
  /** Places of tokens in the grid, by which queries and keys are rotated; absent: they are not. */
  readonly places?: RotaryPlaces | undefined;
  /** Tokens that attend, where not all do. */
  readonly kept?: KeptTokens | undefined;
}

/** A linear layer, by its weight and bias, of the tokens that attend. */
export type Projection = (weight: Tensor, bias: Tensor) => Tensor;

/**
 * Multi-head attention of every token to every other, before the projection: [batch, tokens, channels].
 * Biases of queries towards keys and a convolution of the values join it where they are among the weights.
 *
 * @param qkv as `queryKeyValue` gives them
 */
export function fullAttention(
  qkv: Tensor,
  weights: Tensors,
  name: string,
  { heads, places, grid, kept }: GridShape,
): Tensor {
  const bias = knownBias(weights, name, grid);
  if (bias === undefined) return attend(qkv, heads, places);
  const [filter, filterBias] = [weights[`${name}.depthwise.weight`]!, weights[`${name}.depthwise.bias`]!];
  const known = kept === undefined ? bias : ofQueries(ofKeys(bias, kept), kept);
  return attendWithDetail({ heads, grid, places, kept }, qkv, known, filter, filterBias);
}

/** Biases towards the keys that are kept, of each sample others: [heads, 1, rows, grid²] → [heads, batch, rows, kept]. */
function ofKeys(bias: Tensor, kept: KeptTokens): Tensor {
  const [heads, , rows, tokens] = bias.shape as [number, number, number, number];
  const ofTokens = bias.reshape([heads * rows, tokens]).transpose();
  const taken = kept.rows(ofTokens);
  return taken.reshape([...taken.shape.slice(0, 2), heads, rows]).transpose([2, 0, 3, 1]);
}

/** Biases of the queries that are kept: [heads, 1 or batch, grid², columns] → [heads, batch, kept, columns]. */
function ofQueries(bias: Tensor, kept: KeptTokens): Tensor {
  const [heads, batch, tokens, columns] = bias.shape as [number, number, number, number];
  const ofTokens = bias.transpose([1, 2, 0, 3]).reshape([batch, tokens, heads * columns]);
  const taken = batch === 1 ? kept.rows(ofTokens.squeeze([0])) : kept.take(ofTokens);
  return taken.reshape([...taken.shape.slice(0, 2), heads, columns]).transpose([2, 0, 1, 3]);
}

/**
 * The rows of full attention, one for each query: [heads, batch, tokens, tokens].
 *
 * @param qkv as `queryKeyValue` gives them
 */
export function attentionRows(
  qkv: Tensor,
  weights: Tensors,
  name: string,
  { heads, places, grid }: Omit<GridShape, 'kept'>,
): Tensor {
  const [q, k] = splitQueryKeyValue(qkv, heads, places);
  const scores = tf.matMul(q.mul(q.shape[3]! ** -0.5), k, false, true);
  const bias = knownBias(weights, name, grid);
  return tf.softmax(bias === undefined ? scores : scores.add(bias));
}

/** Bias towards keys of what attention has a row of, [heads, 1, rows, grid²]: mediators, or queries. */
function knownBias(weights: Tensors, name: string, grid: number): Tensor | undefined {
  const made = weights[`${name}.mediatorBias`];
  return made ?? (`${name}.mediatorBias.table` in weights ? mediatorBias(weights, name, grid) : undefined);
}

/**
 * Attention through mediators, before the projection: mediator tokens, which are averages of queries over windows of
 * the grid, first gather from all keys, then every query reads from them. Linear in the number of tokens.
 *
 * @param qkv as `queryKeyValue` gives them
 * @param mediators a perfect square
 * Source: "Efficient Diffusion Transformer with Step-wise Dynamic Attention Mediators", ECCV 2024, section 3.
 */
export function mediatorAttention(
  qkv: Tensor,
  weights: Tensors,
  name: string,
  { heads, mediators, grid, places, kept }: GridShape & { readonly mediators: number },
): Tensor {
  const ofMediators = knownBias(weights, name, grid)!;
  const towardsThem = weights[`${name}.queryBias`] ?? queryBias(weights, name, grid);
  return attendThroughMediators(
    { heads, mediators, grid, places, kept },
    qkv,
    kept === undefined ? ofMediators : ofKeys(ofMediators, kept),
    kept === undefined ? towardsThem : ofQueries(towardsThem, kept),
    weights[`${name}.depthwise.weight`]!,
    weights[`${name}.depthwise.bias`]!,
  );
}

/** A bias of attention at every token, and the weights of the table that it follows from. */
export interface BiasTable {
  /** As the weight is named that holds the bias itself. */
  readonly name: string;
  /** Shape of the bias. */
  readonly shape: readonly number[];
  /** Names of the table's weights by what they are in every table. */
  readonly weights: Readonly<Record<string, string>>;
}

/** The tables among weights, by their names' order: none where biases have taken their place. */
export function biasTables(
  weights: Readonly<Record<string, { readonly shape: readonly number[] }>>,
  grid: number,
): BiasTable[] {
  return Object.keys(weights).flatMap((table) => {
    const [, name] = /^(.*\.(?:mediator|query)Bias)\.table$/.exec(table) ?? [];
    if (name === undefined) return [];
    const [heads, rows] = weights[table]!.shape as [number, number];
    const shape = isOfQueries(name) ? [heads, 1, grid ** 2, rows] : [heads, 1, rows, grid ** 2];
    const parts = ['table', 'row', 'column'].map((part) => [`${kindOf(name)}.${part}`, `${name}.${part}`]);
    return [{ name, shape, weights: Object.fromEntries(parts) as Record<string, string> }];
  });
}

/** The bias that follows from a table's weights, by what they are in every table. */
export function biasOf(table: Tensors, grid: number): Tensor {
  const named = Object.fromEntries(Object.entries(table).map(([part, weight]) => [`.${part}`, weight]));
  return '.queryBias.table' in named ? queryBias(named, '', grid) : mediatorBias(named, '', grid);
}

const isOfQueries = (name: string): boolean => kindOf(name) === 'queryBias';
const kindOf = (name: string): string => name.slice(name.lastIndexOf('.') + 1);

/**
 * Queries, keys and values side by side, [batch, tokens, 3 · channels]: queries and keys normalised where the model has
 * norms, values mixed with those of the first block where the block has a share of these.
 *
 * @param first values of the first block, [batch, tokens, channels]
 */
export function queryKeyValue(
  project: Projection,
  weights: Tensors,
  name: string,
  heads: number,
  first?: Tensor,
): Tensor {
  const qkv = normalizedQueryKey(project, weights, name, heads);
  const share = weights[valueShare(name)];
  if (share === undefined) return qkv;
  if (first === undefined)
    throw new Error(`${name} takes the values of the first block, which are not there.`);
  return withFirstValues(qkv, first, share);
}

function normalizedQueryKey(project: Projection, weights: Tensors, name: string, heads: number): Tensor {
  const qkv = project(weights[`${name}.qkv.weight`]!, weights[`${name}.qkv.bias`]!);
  const norms = [`${name}.queryNorm`, `${name}.keyNorm`] as const;
  if (!norms.some((norm) => `${norm}.weight` in weights)) return qkv;
  const [q, k, v] = tf.split(qkv, 3, -1) as [Tensor, Tensor, Tensor];
  return tf.concat(
    [normalizeHeads(q, weights, norms[0], heads), normalizeHeads(k, weights, norms[1], heads), v],
    -1,
  );
}

/**
 * Norm of every head's part of [batch, tokens, channels], which bounds the scores; x where there is no such norm. It is of
 * the root mean square where the norm has no offset.
 * Source: Dehghani et al., "Scaling vision transformers to 22 billion parameters", arXiv 2302.05442; timm's `qk_norm`.
 */
function normalizeHeads(x: Tensor, weights: Tensors, name: string, heads: number): Tensor {
  const weight = weights[`${name}.weight`];
  if (weight === undefined) return x;
  const [batch, tokens, channels] = x.shape as [number, number, number];
  const split = x.reshape([batch, tokens, heads, channels / heads]);
  const bias = weights[`${name}.bias`];
  return (bias === undefined ? rmsNorm(split, weight) : layerNorm(split, weight, bias)).reshape(x.shape);
}

/** Bias of mediators towards keys: [heads, 1, mediators, tokens]. */
function mediatorBias(weights: Tensors, name: string, grid: number): Tensor {
  const table = weights[`${name}.mediatorBias.table`]!;
  const [heads, mediators] = table.shape as [number, number];
  const row = weights[`${name}.mediatorBias.row`]!.reshape([heads, mediators, grid, 1]);
  const column = weights[`${name}.mediatorBias.column`]!.reshape([heads, mediators, 1, grid]);
  return interpolate(table, grid)
    .add(row.add(column).reshape([heads, mediators, grid * grid]))
    .expandDims(1);
}

/** Bias of queries towards mediators: [heads, 1, tokens, mediators]. */
function queryBias(weights: Tensors, name: string, grid: number): Tensor {
  const table = weights[`${name}.queryBias.table`]!;
  const [heads, mediators] = table.shape as [number, number];
  const row = weights[`${name}.queryBias.row`]!.reshape([heads, grid, 1, mediators]);
  const column = weights[`${name}.queryBias.column`]!.reshape([heads, 1, grid, mediators]);
  return interpolate(table, grid)
    .transpose([0, 2, 1])
    .add(row.add(column).reshape([heads, grid * grid, mediators]))
    .expandDims(1);
}

/** Resizes [heads, mediators, 7, 7] tables to the grid, bilinearly: [heads, mediators, grid²]. */
function interpolate(table: Tensor, grid: number): Tensor {
  const [heads, mediators] = table.shape as [number, number];
  const { rows, columns, data } = overGrid(halfPixelInterpolation(biasTableSize, grid));
  const flat = table.reshape([heads * mediators, columns]);
  return tf.matMul(flat, tf.tensor2d(data, [rows, columns]), false, true).reshape([heads, mediators, rows]);
}
