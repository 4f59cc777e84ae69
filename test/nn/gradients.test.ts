import { beforeAll, expect, it } from 'vitest';
import { attend, attendThroughMediators, attendWithDetail } from '../../src/models/sit/attend.js';
import { gatedResidual } from '../../src/models/sit/sit.js';
import { firstValues, withFirstValues } from '../../src/models/sit/value-residual.js';
import { biasedGelu, biasedSwiGlu, silu } from '../../src/nn/activations.js';
import { recomputed } from '../../src/nn/differentiable.js';
import { linear } from '../../src/nn/layers.js';
import {
  adaLayerNorm,
  adaRmsNorm,
  groupNorm,
  layerNorm,
  rmsNorm,
  siluOfGroupNorm,
} from '../../src/nn/norms.js';
import { adaptivePooling, overGrid } from '../../src/nn/resampling.js';
import { nativeBackend, type Tensor, type Tensor4D, tf } from '../../src/tensorflow/index.js';

beforeAll(() => {
  nativeBackend();
});

type Layer = (...inputs: Tensor[]) => Tensor;

/** Group norm of [2, 4, 3, 6] in three groups. */
function plainGroupNorm(...[x, gain, offset]: Tensor[]): Tensor {
  const grouped = x!.reshape([2, 12, 3, 2]);
  const { mean, variance } = tf.moments(grouped, [1, 3], true);
  const norm = grouped.sub(mean).div(variance.add(1e-6).sqrt()).reshape([2, 4, 3, 6]);
  return norm.mul(gain!).add(offset!);
}

/** The same layers written plainly, whose gradients tfjs derives by itself. */
const plain: Readonly<Record<string, readonly [Layer, Layer, readonly (readonly number[])[]]>> = {
  silu: [silu, (x) => x.mul(x.sigmoid()), [[3, 5]]],
  biasedGelu: [
    biasedGelu,
    (x, bias) => {
      const u = x.add(bias);
      const inner = u.add(u.pow(3).mul(0.044715)).mul(Math.sqrt(2 / Math.PI));
      return u.mul(0.5).mul(tf.add(1, inner.tanh()));
    },
    [[3, 5], [5]],
  ],
  linear: [
    linear,
    (x, weight, bias) =>
      tf
        .matMul(x.reshape([6, 4]), weight)
        .add(bias)
        .reshape([2, 3, 5]),
    [[2, 3, 4], [4, 5], [5]],
  ],
  gatedResidual: [
    gatedResidual,
    (h, gate, x, bias) => h.add(gate.mul(x.add(bias))),
    [[2, 4, 6], [2, 1, 6], [2, 4, 6], [6]],
  ],
  adaLayerNorm: [
    adaLayerNorm,
    (x, shift, scale) => {
      const { mean, variance } = tf.moments(x, -1, true);
      return x.sub(mean).div(variance.add(1e-6).sqrt()).mul(scale.add(1)).add(shift);
    },
    [
      [2, 4, 6],
      [2, 1, 6],
      [2, 1, 6],
    ],
  ],
  biasedSwiGlu: [
    biasedSwiGlu,
    (x, bias) => {
      const [gates, values] = tf.split(x.add(bias), 2, 1) as [Tensor, Tensor];
      return gates.div(tf.exp(gates.neg()).add(1)).mul(values);
    },
    [[3, 10], [10]],
  ],
  adaRmsNorm: [
    adaRmsNorm,
    (x, shift, factor) => x.div(x.square().mean(-1, true).add(1e-6).sqrt()).mul(factor).add(shift),
    [
      [2, 4, 6],
      [2, 1, 6],
      [2, 1, 6],
    ],
  ],
  rmsNorm: [
    rmsNorm,
    (x, weight) => x.div(x.square().mean(-1, true).add(1e-6).sqrt()).mul(weight),
    [[2, 4, 3, 6], [6]],
  ],
  withFirstValues: [
    withFirstValues,
    (qkv, first, share) => {
      const [q, k, v] = tf.split(qkv, 3, 2) as [Tensor, Tensor, Tensor];
      return tf.concat([q, k, first.mul(share).add(v.mul(tf.sub(1, share)))], 2);
    },
    [[2, 4, 18], [2, 4, 6], []],
  ],
  firstValues: [firstValues, (qkv) => tf.split(qkv, 3, 2)[2]!, [[2, 4, 18]]],
  layerNorm: [
    layerNorm,
    (x, weight, bias) => {
      const { mean, variance } = tf.moments(x, -1, true);
      return x.sub(mean).div(variance.add(1e-5).sqrt()).mul(weight).add(bias);
    },
    [[2, 4, 3, 6], [6], [6]],
  ],
  groupNorm: [(x, gain, offset) => groupNorm(x, gain, offset, 3), plainGroupNorm, [[2, 4, 3, 6], [6], [6]]],
  siluOfGroupNorm: [
    (x, gain, offset) => siluOfGroupNorm(x, gain, offset, 3),
    (x, gain, offset) => {
      const norm = plainGroupNorm(x, gain, offset);
      return norm.mul(norm.sigmoid());
    },
    [[2, 4, 3, 6], [6], [6]],
  ],
};

const heads = 2;
const plainAttention = (q: Tensor, k: Tensor, v: Tensor, bias: Tensor | number) =>
  tf.matMul(tf.softmax(tf.matMul(q, k, false, true).add(bias)), v);
/** [batch, tokens, channels] → [batch, heads, tokens, size] */
const headsOf = (x: Tensor) => {
  const [batch, tokens, channels] = x.shape as [number, number, number];
  return x.reshape([batch, tokens, heads, channels / heads]).transpose([0, 2, 1, 3]);
};
const withoutHeads = (x: Tensor) => {
  const [batch, , tokens, size] = x.shape as [number, number, number, number];
  return x.transpose([0, 2, 1, 3]).reshape([batch, tokens, heads * size]);
};

/** Channels of a head that is rotated: two pairs for rows, two for columns. */
const turning = 8;
/** [batch, heads, points², turning], each point rotated by a matrix of its own. */
const rotatedPlainly = (x: Tensor, places: readonly number[]) => {
  const matrices = places.flatMap((row) =>
    places.map((column) => {
      const matrix = Array.from({ length: turning }, () => new Array<number>(turning).fill(0));
      for (let pair = 0; pair < turning / 2; pair++) {
        const angle = (pair < 2 ? row : column) * (pair % 2 === 0 ? 1 : 1 / 100);
        const [i, j] = [2 * pair, 2 * pair + 1];
        matrix[i]![i] = matrix[j]![j] = Math.cos(angle);
        matrix[i]![j] = Math.sin(angle);
        matrix[j]![i] = -Math.sin(angle);
      }
      return matrix;
    }),
  );
  const [, , points] = x.shape as [number, number, number];
  return tf
    .matMul(x.expandDims(3), tf.tensor3d(matrices).reshape([1, 1, points, turning, turning]))
    .squeeze([3]);
};

/** Middles of the windows by hand. */
const middles: Readonly<Record<string, readonly number[]>> = { '4/2': [0.5, 2.5], '5/3': [0.5, 2, 3.5] };

Object.assign(plain, {
  attend: [
    (qkv: Tensor) => attend(qkv, heads),
    (qkv: Tensor) => {
      const [q, k, v] = tf.split(qkv, 3, -1).map(headsOf) as [Tensor, Tensor, Tensor];
      return withoutHeads(plainAttention(q.div(Math.sqrt(3)), k, v, 0));
    },
    [[2, 5, 18]],
  ],
  'attend, rotated': [
    (qkv: Tensor) => attend(qkv, heads, { sides: [0, 0.5, 1] }),
    (qkv: Tensor) => {
      const [q, k, v] = tf.split(qkv, 3, -1).map(headsOf) as [Tensor, Tensor, Tensor];
      const [turnedQ, turnedK] = [q, k].map((x) => rotatedPlainly(x, [0, 0.5, 1])) as [Tensor, Tensor];
      return withoutHeads(plainAttention(turnedQ.div(Math.sqrt(turning)), turnedK, v, 0));
    },
    [[2, 9, 3 * heads * turning]],
  ],
  'attend, rotated, a query at a time': [
    (qkv: Tensor) => attend(qkv, heads, { sides: [0, 1, 2] }, 2 * heads * 9),
    (qkv: Tensor) => attend(qkv, heads, { sides: [0, 1, 2] }),
    [[2, 9, 3 * heads * turning]],
  ],
  'attend, a query at a time': [
    // 2 samples of 5 tokens: room for the scores of one query of each head.
    (qkv: Tensor) => attend(qkv, heads, undefined, 2 * heads * 5),
    (qkv: Tensor) => attend(qkv, heads),
    [[2, 5, 18]],
  ],
  recomputed: [
    recomputed((x, weight, bias) => silu(linear(x, weight, bias)).add(x)),
    (x, weight, bias) => silu(linear(x, weight, bias)).add(x),
    [[3, 4], [4, 4], [4]],
  ],
  ...Object.fromEntries(
    // Windows that divide the grid, and windows that overlap.
    [
      [4, 2],
      [5, 3],
    ].flatMap(([grid, side]) => [
      [`attendThroughMediators, ${side} windows of ${grid}`, mediatorCase(grid!, side!)],
      [`attendThroughMediators, ${side} windows of ${grid}, rotated`, mediatorCase(grid!, side!, turning)],
    ]),
  ),
  attendWithDetail: detailCase(4),
  'attendWithDetail, rotated': detailCase(4, turning),
});

/** The convolution of the values and its bias, [2, grid², channels]. */
function plainDetail(v: Tensor, grid: number, filter: Tensor, filterBias: Tensor): Tensor {
  const map = v.reshape<Tensor4D>([2, grid, grid, v.shape[2]!]);
  return tf
    .depthwiseConv2d(map, filter as Tensor4D, 1, 'same')
    .add(filterBias)
    .reshape(v.shape);
}

/** @param rotated channels of a head where there are rotary positions */
function detailCase(grid: number, rotated?: number): (typeof plain)[string] {
  const size = rotated ?? 3;
  const places = rotated === undefined ? undefined : Array.from({ length: grid }, (_, i) => i);
  const turned = (x: Tensor) => (places === undefined ? x : rotatedPlainly(x, places));
  return [
    (qkv, ...others) =>
      attendWithDetail(
        { heads, grid, places: places && { sides: places } },
        qkv,
        ...(others as [Tensor, Tensor, Tensor]),
      ),
    (qkv, bias, filter, filterBias) => {
      const [q, k, v] = tf.split(qkv, 3, -1) as [Tensor, Tensor, Tensor];
      const scaled = turned(headsOf(q.div(Math.sqrt(size))));
      const attended = plainAttention(scaled, turned(headsOf(k)), headsOf(v), bias.squeeze([1]));
      return withoutHeads(attended).add(plainDetail(v, grid, filter, filterBias));
    },
    [
      [2, grid ** 2, 3 * heads * size],
      [heads, 1, grid ** 2, grid ** 2],
      [3, 3, heads * size, 1],
      [heads * size],
    ],
  ];
}

/** @param rotated channels of a head where there are rotary positions */
function mediatorCase(grid: number, side: number, rotated?: number): (typeof plain)[string] {
  const mediators = side ** 2;
  const size = rotated ?? 3;
  const places = rotated === undefined ? undefined : Array.from({ length: grid }, (_, i) => i);
  const turned = (x: Tensor, places: readonly number[]) =>
    rotated === undefined ? x : rotatedPlainly(x, places);
  const [tokens, windows] = [places ?? [], middles[`${grid}/${side}`]!];
  const { rows, columns, data } = overGrid(adaptivePooling(grid, side));
  return [
    (qkv, ...others) =>
      attendThroughMediators(
        { heads, mediators, grid, places: places && { sides: places } },
        qkv,
        ...(others as [Tensor, Tensor, Tensor, Tensor]),
      ),
    (qkv, mediatorBias, queryBias, filter, filterBias) => {
      const [q, k, v] = tf.split(qkv, 3, -1) as [Tensor, Tensor, Tensor];
      const pooled = tf.matMul(tf.tensor3d(data, [1, rows, columns]), q).div(Math.sqrt(size));
      const mediatorTokens = turned(headsOf(pooled), windows);
      const bias = (x: Tensor) => x.squeeze([1]);
      const gathered = plainAttention(
        mediatorTokens,
        turned(headsOf(k), tokens),
        headsOf(v),
        bias(mediatorBias),
      );
      const read = plainAttention(turned(headsOf(q), tokens), mediatorTokens, gathered, bias(queryBias));
      return withoutHeads(read).add(plainDetail(v, grid, filter, filterBias));
    },
    [
      [2, grid ** 2, 3 * heads * size],
      [heads, 1, mediators, grid ** 2],
      [heads, 1, grid ** 2, mediators],
      [3, 3, heads * size, 1],
      [heads * size],
    ],
  ];
}

it.each(Object.entries(plain))(
  '%s has the value and the gradient of its plain formula',
  (_, [layer, formula, shapes]) => {
    const inputs = shapes.map((shape, i) => tf.randomNormal([...shape], 0.5, 1.5, 'float32', i + 1));
    const weights = tf.randomNormal(layer(...inputs).shape, 0, 1, 'float32', 9);
    const gradients = (f: Layer) =>
      tf.grads((...all: Tensor[]) =>
        f(...all)
          .mul(weights)
          .sum(),
      )(inputs);
    // Float32 sums of some tens of numbers of order 1.
    expect(layer(...inputs).dataSync()).toBeAllclose(formula(...inputs).dataSync(), { absolute: 2e-6 });
    const [own, derived] = [gradients(layer), gradients(formula)];
    own.forEach((gradient, i) => {
      expect(gradient.dataSync()).toBeAllclose(derived[i]!.dataSync(), { absolute: 2e-5 });
    });
  },
);
