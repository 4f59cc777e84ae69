import { depthwise, depthwiseGradient } from '../../nn/depthwise.js';
import { softmax, softmaxGradient, sumOfRows } from '../../nn/activations.js';
import { differentiable } from '../../nn/differentiable.js';
import { adaptivePooling, overGrid } from '../../nn/resampling.js';
import { rotate } from '../../nn/rotary.js';
import { after, asFactor, asFloat, fused, type Tensor, type Tensor4D, tf } from '../../tensorflow/index.js';
import { fusedAttention, fusedAttentionGradient, fusesAttention } from '../../tensorflow/index.js';
import { queryChunks, scoresAtOnce, worthFusingAttention } from './config.js';

/**
 * Softmax attention of every token to every other: queries, keys and values side by side,
 * [batch, tokens, 3 · channels] → [batch, tokens, channels]. The gradient keeps them and the softmax; where there are
 * more scores than `atOnce`, queries are taken in chunks, one after the other, and the gradient keeps no softmax. Where
 * a GPU has a kernel for all of it, many tokens go there.
 *
 * @param places of the rows and columns of the tokens' grid, by which queries and keys are rotated; absent: they are not
 */
export function attend(qkv: Tensor, heads: number, places?: Places, atOnce = scoresAtOnce): Tensor {
  const [batch, tokens, channels] = qkv.shape as [number, number, number];
  if (tokens >= worthFusingAttention && fusesAttention(channels / 3 / heads))
    return attendFused(qkv, heads, places);
  const chunks = queryChunks(batch * heads, tokens, atOnce);
  return chunks === 1 ? attendAtOnce(qkv, heads, places) : attendInChunks(qkv, heads, chunks, places);
}

type Places = readonly number[];

function attendAtOnce(qkv: Tensor, heads: number, places?: Places): Tensor {
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
function attendFused(qkv: Tensor, heads: number, places?: Places): Tensor {
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
function attendInChunks(qkv: Tensor, heads: number, chunks: number, places?: Places): Tensor {
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
  /** Places of the grid's rows and columns, by which queries, keys and mediators are rotated; absent: they are not. */
  readonly places?: Places | undefined;
}

/**
 * Attention through mediators and the detail that a depthwise convolution of the values adds.
 *
 * The gradient keeps queries, keys and values, the mediator tokens, both softmaxes and what mediators gathered. Rotation
 * comes after the averages: mediators stand in the middle of their windows.
 *
 * @param qkv [batch, grid², 3 · channels]
 * @param mediatorBias of mediators towards keys, [heads, 1, mediators, grid²]
 * @param queryBias of queries towards mediators, [heads, 1, grid², mediators]
 * @param filter of the convolution, [3, 3, channels, 1], and its bias, [channels]
 * @returns [batch, grid², channels]
 */
export function attendThroughMediators(
  { heads, mediators, grid, places }: MediatorShape,
  qkv: Tensor,
  mediatorBias: Tensor,
  queryBias: Tensor,
  filter: Tensor,
  filterBias: Tensor,
): Tensor {
  const side = Math.sqrt(mediators);
  const centres = places && windowCentres(places, side);
  return differentiable(
    (qkv: Tensor, mediatorBias: Tensor, queryBias: Tensor, filter: Tensor, filterBias: Tensor) => {
      const [unturned, k, v] = splitQueryKeyValue(qkv, heads);
      const scale = unturned.shape[3]! ** -0.5;
      const tokens = turn(pool(unturned, grid, side, scale), centres);
      const [q, turnedKeys] = [turn(unturned, places), turn(k, places)];
      const gather = softmax(tf.matMul(tokens, turnedKeys, false, true), mediatorBias);
      const gathered = tf.matMul(gather, v);
      const read = softmax(tf.matMul(q, tokens, false, true), queryBias);
      const attended = mergeHeads(tf.matMul(read, gathered));
      return {
        value: addDetail(attended, qkv, grid, filter, filterBias),
        saved: [q, turnedKeys, v, tokens, gather, gathered, read, filter],
        gradient: (dy: Tensor, saved: Tensor[]) => {
          const [q, k, v, tokens, gather, gathered, read, filter] = saved as EightTensors;
          const dAttended = splitHeads(dy, heads);
          const dRead = softmaxGradient(tf.matMul(dAttended, gathered, false, true), read);
          const dGathered = tf.matMul(read, dAttended, true, false);
          const dGather = softmaxGradient(tf.matMul(dGathered, v, false, true), gather);
          const dTokens = turn(tf.matMul(dRead, q, true, false).add(tf.matMul(dGather, k)), centres, true);
          const dq = poolGradient(turn(tf.matMul(dRead, tokens), places, true), dTokens, grid, side, scale);
          const dk = turn(tf.matMul(dGather, tokens, true, false), places, true);
          const dAttention = tf.matMul(gather, dGathered, true, false);
          const [dv, dFilter] = addDetailGradient(dAttention, v, grid, filter, dy);
          return [
            mergeQueryKeyValue(dq, dk, dv),
            sumOfBatch(dGather)[0],
            sumOfBatch(dRead)[0],
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
 * @param qkv [batch, grid², 3 · channels]
 * @param bias of queries towards keys, [heads, 1, grid², grid²]
 * @param filter of the convolution, [3, 3, channels, 1], and its bias, [channels]
 * @returns [batch, grid², channels]
 */
export function attendWithDetail(
  { heads, grid, places }: Omit<MediatorShape, 'mediators'>,
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
      value: addDetail(attended, qkv, grid, filter, filterBias),
      saved: [scaled, k, v, probabilities, filter],
      gradient: (dy: Tensor, saved: Tensor[]) => {
        const [scaled, k, v, probabilities, filter] = saved as [Tensor, Tensor, Tensor, Tensor, Tensor];
        const dAttended = splitHeads(dy, heads);
        const dScores = softmaxGradient(tf.matMul(dAttended, v, false, true), probabilities);
        const dAttention = tf.matMul(probabilities, dAttended, true, false);
        const [dv, dFilter] = addDetailGradient(dAttention, v, grid, filter, dy);
        const dq = tf.matMul(dScores, k).mul(scale);
        const dk = tf.matMul(dScores, scaled, true, false);
        return [mergeQueryKeyValue(dq, dk, dv, places), sumOfBatch(dScores)[0], dFilter, sumOfRows(dy)];
      },
    };
  })(qkv, bias, filter, filterBias);
}

/** Sum of what was attended and of the detail that a convolution of the values adds: [batch, grid², channels]. */
function addDetail(attended: Tensor, qkv: Tensor, grid: number, filter: Tensor, filterBias: Tensor): Tensor {
  const detail = depthwise(valueMap(qkv, grid)[0], filter as Tensor4D);
  return withDetail(attended, detail.reshape(attended.shape), filterBias)[0];
}

/** Gradients by the values, beside `dAttention` by what was attended, and by the filter. */
function addDetailGradient(
  dAttention: Tensor,
  v: Tensor,
  grid: number,
  filter: Tensor,
  dy: Tensor,
): [dv: Tensor, dFilter: Tensor] {
  const local = depthwiseGradient(asMap(mergeHeads(v), grid), filter as Tensor4D, asMap(dy, grid));
  const [dv] = asFactorSum(dAttention, splitHeads(local.x.reshape(dy.shape), v.shape[0]));
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

/** Sums over the second axis, which is kept. */
const sumOfBatch = fused('sum_of_batch', (x: Tensor) => [x.sum(1, true)] as const, { takesHalf: true });

type EightTensors = [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor];

/** The values among queries, keys and values side by side, [batch, grid², 3 · channels] → [batch, grid, grid, channels]. */
const valueMap = fused(
  'value_map',
  (qkv: Tensor, grid: number) => {
    const [batch, tokens, all] = qkv.shape as [number, number, number];
    const channels = all / 3;
    const values = qkv.slice([0, 0, 2 * channels], [batch, tokens, channels]);
    return [asFloat(values.reshape([batch, grid, grid, channels])) as Tensor4D] as const;
  },
  { takesHalf: true },
);

/** [batch, grid², channels] → [batch, grid, grid, channels] */
function asMap(x: Tensor, grid: number): Tensor4D {
  const [batch, , channels] = x.shape as [number, number, number];
  return x.reshape<Tensor4D>([batch, grid, grid, channels]);
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
export function splitQueryKeyValue(qkv: Tensor, heads: number, places?: Places): [Tensor, Tensor, Tensor] {
  const [q, k, v] = tf.split(splitHeads(qkv, 3 * heads), 3, 0) as [Tensor, Tensor, Tensor];
  return [turn(q, places), turn(k, places), v];
}

/** Undoes `splitQueryKeyValue`. */
function mergeQueryKeyValue(q: Tensor, k: Tensor, v: Tensor, places?: Places): Tensor {
  return mergeHeads(tf.concat([turn(q, places, true), turn(k, places, true), v], 0));
}

/** Rotates by places, or back, where there are any. */
function turn(x: Tensor, places: Places | undefined, back = false): Tensor {
  return places === undefined ? x : rotate(x, places, back);
}

/** Places of side × side mediators: the middle of each adaptive window's. */
function windowCentres(places: Places, side: number): number[] {
  const { columns, data } = adaptivePooling(places.length, side);
  return Array.from({ length: side }, (_, row) =>
    places.reduce((sum, place, column) => sum + data[row * columns + column]! * place, 0),
  );
}

/**
 * Averages of a square grid of points over side × side adaptive windows, times `factor`:
 * [heads, batch, grid², size] → [heads, batch, side², size]. No gradient of its own: `poolGradient` is it.
 */
function pool(x: Tensor, grid: number, side: number, factor: number): Tensor {
  if (grid % side === 0) return windowMeans(x, grid, side, factor)[0];
  return tf.matMul(poolingMatrix(grid, side, factor), x);
}

/** Contribution of a gradient by the averages to `dx`, a gradient by the points. */
function poolGradient(dx: Tensor, dMeans: Tensor, grid: number, side: number, factor: number): Tensor {
  if (grid % side === 0) return spread(dx, dMeans, grid, side, factor)[0];
  return dx.add(tf.matMul(poolingMatrix(grid, side, factor), dMeans, true, false));
}

const windowMeans = fused(
  'window_means',
  (x: Tensor, grid: number, side: number, factor: number) => {
    const [heads, batch, , size] = x.shape as [number, number, number, number];
    const width = grid / side;
    const windows = x.reshape([heads * batch, side, width, side, width, size]);
    const means = windows.sum([2, 4]).mul(factor / width ** 2);
    return [asFactor(means.reshape([heads, batch, side * side, size]))] as const;
  },
  { takesHalf: true },
);

const spread = fused(
  'spread_over_windows',
  (dx: Tensor, dMeans: Tensor, grid: number, side: number, factor: number) => {
    const [heads, batch, , size] = dx.shape as [number, number, number, number];
    const width = grid / side;
    const windows = dx.reshape([heads * batch, side, width, side, width, size]);
    const means = dMeans.mul(factor / width ** 2).reshape([heads * batch, side, 1, side, 1, size]);
    return [asFactor(windows.add(means).reshape(dx.shape))] as const;
  },
  { takesHalf: true },
);

function poolingMatrix(grid: number, side: number, factor: number): Tensor {
  const { rows, columns, data } = overGrid(adaptivePooling(grid, side));
  return tf.tensor4d(
    data.map((value) => value * factor),
    [1, 1, rows, columns],
  );
}
