import { depthwise, depthwiseGradient } from '../../nn/depthwise.js';
import { softmax, softmaxGradient, sumOfRows } from '../../nn/activations.js';
import { differentiable } from '../../nn/differentiable.js';
import type { KeptTokens } from '../../nn/kept-tokens.js';
import { rotate, type RotaryPlaces } from '../../nn/rotary.js';
import { after, asFactor, asFloat, fused, type Tensor, type Tensor4D, tf } from '../../tensorflow/index.js';
import { fusedAttention, fusedAttentionGradient, fusesAttention } from '../../tensorflow/index.js';
import { queryChunks, scoresAtOnce, worthFusingAttention } from './config.js';
import { keptWindows, pool, poolGradient, windowCentres } from './windows.js';

/**
 * Softmax attention of every token to every other: queries, keys and values side by side,
 * [batch, tokens, 3 · channels] → [batch, tokens, channels]. The gradient keeps them and the softmax; where there are
 * more scores than `atOnce`, queries are taken in chunks, one after the other, and the gradient keeps no softmax. Where
 * a GPU has a kernel for all of it, many tokens go there.
 *
 * @param places of the tokens in their grid, by which queries and keys are rotated; absent: they are not
 */
export function attend(qkv: Tensor, heads: number, places?: RotaryPlaces, atOnce = scoresAtOnce): Tensor {
  const [batch, tokens, channels] = qkv.shape as [number, number, number];
  if (tokens >= worthFusingAttention && fusesAttention(channels / 3 / heads))
    return attendFused(qkv, heads, places);
  const chunks = queryChunks(batch * heads, tokens, atOnce);
  return chunks === 1 ? attendAtOnce(qkv, heads, places) : attendInChunks(qkv, heads, chunks, places);
}

function attendAtOnce(qkv: Tensor, heads: number, places?: RotaryPlaces): Tensor {
  return differentiable((qkv: Tensor) => {
    const [q, k, v] = splitQueryKeyValue(qkv, heads, places);
    const scale = q.shape[3]! ** -0.5;
    const scaled = q.mul(scale);
    const probabilities = softmax(tf.matMul(scaled, k, false, true));
    return {
      value: mergeHeads(tf.matMul(probabilities, v)),
      saved: [scaled, k, v, probabilities],
      gradient: (dy: Tensor, saved: Tensor[]) => {
        const [scaled, k, v, probabilities] = saved as [Tensor, Tensor, Tensor, Tensor];
        const dAttended = splitHeads(dy, heads);
        const dv = tf.matMul(probabilities, dAttended, true, false);
        const dScores = softmaxGradient(tf.matMul(dAttended, v, false, true), probabilities);
        const dq = tf.matMul(dScores, k).mul(scale);
        const dk = tf.matMul(dScores, scaled, true, false);
        return mergeQueryKeyValue(dq, dk, dv, places);
      },
    };
  })(qkv);
}

/** The gradient keeps no scores: it computes them anew, part by part. Source: Dao et al., arXiv 2205.14135. */
function attendFused(qkv: Tensor, heads: number, places?: RotaryPlaces): Tensor {
  return differentiable((qkv: Tensor) => {
    const [q, k, v] = splitQueryKeyValue(asFactor(qkv), heads, places);
    const scale = q.shape[3]! ** -0.5;
    const { value, statistics } = fusedAttention(q, k, v, scale);
    return {
      value: mergeHeads(value),
      saved: [q, k, v, value, statistics],
      gradient: (dy: Tensor, saved: Tensor[]) => {
        const [q, k, v, value, statistics] = saved as [Tensor, Tensor, Tensor, Tensor, Tensor];
        const dAttended = splitHeads(asFactor(dy), heads);
        const attended = { value, statistics };
        const gradients = fusedAttentionGradient([q, k, v], attended, dAttended, scale);
        return mergeQueryKeyValue(...gradients, places);
      },
    };
  })(qkv);
}

/** Source: Rabe and Staats, arXiv 2112.05682, without splitting the keys. */
function attendInChunks(qkv: Tensor, heads: number, chunks: number, places?: RotaryPlaces): Tensor {
  return differentiable((qkv: Tensor) => {
    const [q, k, v] = splitQueryKeyValue(qkv, heads, places);
    const scale = q.shape[3]! ** -0.5;
    const scaled = q.mul(scale);
    const parts: Tensor[] = [];
    for (const queries of tf.split(scaled, chunks, 2)) {
      const previous = parts.at(-1);
      const begun = previous === undefined ? queries : after(queries, previous);
      parts.push(tf.matMul(softmax(tf.matMul(begun, k, false, true)), v));
    }
    return {
      value: mergeHeads(tf.concat(parts, 2)),
      saved: [scaled, k, v],
      gradient: (dy: Tensor, saved: Tensor[]) => {
        const [scaled, k, v] = saved as [Tensor, Tensor, Tensor];
        const dParts = tf.split(splitHeads(dy, heads), chunks, 2);
        const dq: Tensor[] = [];
        let dk: Tensor | undefined;
        let dv: Tensor | undefined;
        for (const [i, part] of tf.split(scaled, chunks, 2).entries()) {
          const queries = after(part, dk ?? dy);
          const dAttended = dParts[i]!;
          const probabilities = softmax(tf.matMul(queries, k, false, true));
          const dScores = softmaxGradient(tf.matMul(dAttended, v, false, true), probabilities);
          dq.push(tf.matMul(dScores, k).mul(scale));
          dk = sum(dk, tf.matMul(dScores, queries, true, false));
          dv = sum(dv, tf.matMul(probabilities, dAttended, true, false));
        }
        return mergeQueryKeyValue(tf.concat(dq, 2), dk!, dv!, places);
      },
    };
  })(qkv);
}

function sum(total: Tensor | undefined, part: Tensor): Tensor {
  return total === undefined ? part : total.add(part);
}

/** Heads, mediators and the side of the tokens' grid. */
interface MediatorShape {
  readonly heads: number;
  readonly mediators: number;
  readonly grid: number;
  /** Places of the tokens in the grid, by which queries, keys and mediators are rotated; absent: they are not. */
  readonly places?: RotaryPlaces | undefined;
  /** Tokens of the grid that there are, where not all of them: others count as points outside of it do. */
  readonly kept?: KeptTokens | undefined;
}

/**
 * Attention through mediators and the detail that a depthwise convolution of the values adds.
 *
 * The gradient keeps queries, keys and values, the mediator tokens, both softmaxes and what mediators gathered. Rotation
 * comes after the averages: mediators stand in the middle of their windows.
 *
 * Where not all tokens are there, mediators are averages of those in their windows, and none is read that has no token.
 *
 * @param qkv [batch, tokens, 3 · channels]
 * @param mediatorBias of mediators towards keys, [heads, 1 or batch, mediators, tokens]
 * @param queryBias of queries towards mediators, [heads, 1 or batch, tokens, mediators]
 * @param filter of the convolution, [3, 3, channels, 1], and its bias, [channels]
 * @returns [batch, tokens, channels]
 */
export function attendThroughMediators(
  { heads, mediators, grid, places, kept }: MediatorShape,
  qkv: Tensor,
  mediatorBias: Tensor,
  queryBias: Tensor,
  filter: Tensor,
  filterBias: Tensor,
): Tensor {
  const side = Math.sqrt(mediators);
  const centres = places && { sides: windowCentres(places.sides, side) };
  const windows = kept && keptWindows(kept, grid, side);
  if (windows) queryBias = queryBias.add(windows.unread);
  return differentiable(
    (qkv: Tensor, mediatorBias: Tensor, queryBias: Tensor, filter: Tensor, filterBias: Tensor) => {
      const [unturned, k, v] = splitQueryKeyValue(qkv, heads);
      const scale = unturned.shape[3]! ** -0.5;
      const tokens = turn(pool(unturned, grid, side, scale, windows?.shares), centres);
      const [q, turnedKeys] = [turn(unturned, places), turn(k, places)];
      const gather = softmax(tf.matMul(tokens, turnedKeys, false, true), mediatorBias);
      const gathered = tf.matMul(gather, v);
      const read = softmax(tf.matMul(q, tokens, false, true), queryBias);
      const attended = mergeHeads(tf.matMul(read, gathered));
      return {
        value: addDetail(attended, qkv, { grid, kept }, filter, filterBias),
        saved: [
          q,
          turnedKeys,
          v,
          tokens,
          gather,
          gathered,
          read,
          filter,
          ...(windows ? [windows.shares] : []),
        ],
        gradient: (dy: Tensor, saved: Tensor[]) => {
          const [q, k, v, tokens, gather, gathered, read, filter, shares] = saved as SavedTensors;
          const dAttended = splitHeads(dy, heads);
          const dRead = softmaxGradient(tf.matMul(dAttended, gathered, false, true), read);
          const dGathered = tf.matMul(read, dAttended, true, false);
          const dGather = softmaxGradient(tf.matMul(dGathered, v, false, true), gather);
          const dTokens = turn(tf.matMul(dRead, q, true, false).add(tf.matMul(dGather, k)), centres, true);
          const dUnturned = turn(tf.matMul(dRead, tokens), places, true);
          const dq = poolGradient(dUnturned, dTokens, grid, side, scale, shares);
          const dk = turn(tf.matMul(dGather, tokens, true, false), places, true);
          const dAttention = tf.matMul(gather, dGathered, true, false);
          const [dv, dFilter] = addDetailGradient(dAttention, v, { grid, kept }, filter, dy);
          return [
            mergeQueryKeyValue(dq, dk, dv),
            ofBias(dGather, kept),
            ofBias(dRead, kept),
            dFilter,
            sumOfRows(dy),
          ];
        },
      };
    },
  )(qkv, mediatorBias, queryBias, filter, filterBias);
}

/**
 * Attention of every token to every other with biases of the scores, and the detail that a depthwise convolution of the
 * values adds, as `attendThroughMediators` has them. All scores are held at once.
 *
 * @param qkv [batch, tokens, 3 · channels]
 * @param bias of queries towards keys, [heads, 1 or batch, tokens, tokens]
 * @param filter of the convolution, [3, 3, channels, 1], and its bias, [channels]
 * @returns [batch, tokens, channels]
 */
export function attendWithDetail(
  { heads, grid, places, kept }: Omit<MediatorShape, 'mediators'>,
  qkv: Tensor,
  bias: Tensor,
  filter: Tensor,
  filterBias: Tensor,
): Tensor {
  return differentiable((qkv: Tensor, bias: Tensor, filter: Tensor, filterBias: Tensor) => {
    const [q, k, v] = splitQueryKeyValue(qkv, heads, places);
    const scale = q.shape[3]! ** -0.5;
    const scaled = q.mul(scale);
    const probabilities = softmax(tf.matMul(scaled, k, false, true), bias);
    const attended = mergeHeads(tf.matMul(probabilities, v));
    return {
      value: addDetail(attended, qkv, { grid, kept }, filter, filterBias),
      saved: [scaled, k, v, probabilities, filter],
      gradient: (dy: Tensor, saved: Tensor[]) => {
        const [scaled, k, v, probabilities, filter] = saved as [Tensor, Tensor, Tensor, Tensor, Tensor];
        const dAttended = splitHeads(dy, heads);
        const dScores = softmaxGradient(tf.matMul(dAttended, v, false, true), probabilities);
        const dAttention = tf.matMul(probabilities, dAttended, true, false);
        const [dv, dFilter] = addDetailGradient(dAttention, v, { grid, kept }, filter, dy);
        const dq = tf.matMul(dScores, k).mul(scale);
        const dk = tf.matMul(dScores, scaled, true, false);
        return [mergeQueryKeyValue(dq, dk, dv, places), ofBias(dScores, kept), dFilter, sumOfRows(dy)];
      },
    };
  })(qkv, bias, filter, filterBias);
}

/** Grid of tokens, and those that there are, where not all of them. */
type DetailGrid = Pick<MediatorShape, 'grid' | 'kept'>;

/** Sum of what was attended and of the detail that a convolution of the values adds: [batch, tokens, channels]. */
function addDetail(
  attended: Tensor,
  qkv: Tensor,
  { grid, kept }: DetailGrid,
  filter: Tensor,
  filterBias: Tensor,
): Tensor {
  const detail = depthwise(asMap(valuesOf(qkv)[0], grid, kept), filter as Tensor4D);
  return withDetail(attended, fromMap(detail, kept), filterBias)[0];
}

/** Gradients by the values, beside `dAttention` by what was attended, and by the filter. */
function addDetailGradient(
  dAttention: Tensor,
  v: Tensor,
  { grid, kept }: DetailGrid,
  filter: Tensor,
  dy: Tensor,
): [dv: Tensor, dFilter: Tensor] {
  const values = asMap(mergeHeads(v), grid, kept);
  const local = depthwiseGradient(values, filter as Tensor4D, asMap(dy, grid, kept));
  const [dv] = asFactorSum(dAttention, splitHeads(fromMap(local.x, kept), v.shape[0]));
  return [dv, local.filter];
}

/** Tokens, the convolution's detail and its bias, summed for the projection. */
const withDetail = fused(
  'with_detail',
  (attended: Tensor, detail: Tensor, bias: Tensor) => [asFactor(attended.add(detail.add(bias)))] as const,
  { takesHalf: true },
);

const asFactorSum = fused('factor_sum', (x: Tensor, y: Tensor) => [asFactor(x.add(y))] as const, {
  takesHalf: true,
});

/** The gradient by a bias, which all samples have in common where all have the same tokens. */
const ofBias = (dScores: Tensor, kept: KeptTokens | undefined): Tensor =>
  kept === undefined ? sumOfBatch(dScores)[0] : dScores;

/** Sums over the second axis, which is kept. */
const sumOfBatch = fused('sum_of_batch', (x: Tensor) => [x.sum(1, true)] as const, { takesHalf: true });

type SavedTensors = [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor?];

/** The values among queries, keys and values side by side, [batch, tokens, 3 · channels] → [batch, tokens, channels]. */
const valuesOf = fused(
  'values',
  (qkv: Tensor) => {
    const [batch, tokens, all] = qkv.shape as [number, number, number];
    const channels = all / 3;
    return [asFloat(qkv.slice([0, 0, 2 * channels], [batch, tokens, channels]))] as const;
  },
  { takesHalf: true },
);

/** [batch, tokens, channels] → [batch, grid, grid, channels], zeros where there is no token. */
function asMap(x: Tensor, grid: number, kept?: KeptTokens): Tensor4D {
  const all = kept === undefined ? x : kept.spread(x);
  const [batch, , channels] = all.shape as [number, number, number];
  return all.reshape<Tensor4D>([batch, grid, grid, channels]);
}

/** Undoes `asMap`. */
function fromMap(x: Tensor, kept?: KeptTokens): Tensor {
  const [batch, height, width, channels] = x.shape as [number, number, number, number];
  const all = x.reshape([batch, height * width, channels]);
  return kept === undefined ? all : kept.taken(all);
}

/**
 * [batch, tokens, channels] → [heads, batch, tokens, channels / heads]. Heads come first so that taking some of them
 * copies nothing.
 */
function splitHeads(x: Tensor, heads: number): Tensor {
  const [batch, tokens, channels] = x.shape as [number, number, number];
  return x.reshape([batch, tokens, heads, channels / heads]).transpose([2, 0, 1, 3]);
}

/** [heads, batch, tokens, size] → [batch, tokens, heads · size] */
function mergeHeads(x: Tensor): Tensor {
  const [heads, batch, tokens, size] = x.shape as [number, number, number, number];
  return x.transpose([1, 2, 0, 3]).reshape([batch, tokens, heads * size]);
}

/**
 * Queries, keys and values side by side, [batch, tokens, 3 · channels] → three times [heads, batch, tokens, size]. Queries
 * and keys are rotated by their places, where these are given.
 */
export function splitQueryKeyValue(
  qkv: Tensor,
  heads: number,
  places?: RotaryPlaces,
): [Tensor, Tensor, Tensor] {
  const [q, k, v] = tf.split(splitHeads(qkv, 3 * heads), 3, 0) as [Tensor, Tensor, Tensor];
  return [turn(q, places), turn(k, places), v];
}

/** Undoes `splitQueryKeyValue`. */
function mergeQueryKeyValue(q: Tensor, k: Tensor, v: Tensor, places?: RotaryPlaces): Tensor {
  return mergeHeads(tf.concat([turn(q, places, true), turn(k, places, true), v], 0));
}

/** Rotates by places, or back, where there are any. */
function turn(x: Tensor, places: RotaryPlaces | undefined, back = false): Tensor {
  return places === undefined ? x : rotate(x, places, back);
}
