import { beforeAll, expect, it } from 'vitest';
import { fullAttention, mediatorAttention } from '../../../src/models/sit/attention.js';
import { rotaryPlaces, type SiTConfig, sitParameters } from '../../../src/models/sit/config.js';
import { block, sit } from '../../../src/models/sit/sit.js';
import { KeptTokens } from '../../../src/nn/kept-tokens.js';
import { initialize } from '../../../src/nn/parameters.js';
import { adaptivePooling, overGrid } from '../../../src/nn/resampling.js';
import { rotate } from '../../../src/nn/rotary.js';
import {
  float32,
  int32,
  nativeBackend,
  runEagerly,
  type Tensor,
  type Tensor1D,
  type Tensor4D,
  type Tensors,
  tf,
} from '../../../src/tensorflow/index.js';

beforeAll(() => {
  nativeBackend();
});

const waves = (shape: readonly number[], pace: number) =>
  float32(
    shape,
    Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => Math.sin(pace * (i + 1) ** 1.2)),
  );

const order = [
  [0, 1, 4, 5, 15, 10, 2, 3, 6, 7, 8, 9, 11, 12, 13, 14],
  [3, 12, 7, 9, 6, 0, 1, 2, 4, 5, 8, 10, 11, 13, 14, 15],
];
const kept = 6;
const grid = 4;
const heads = 2;
const shape: SiTConfig = {
  ...{ latentSize: grid, channels: 2, patchSize: 1, hiddenSize: 8, depth: 4, heads, classes: 3 },
  ...{ mediators: [0, 0, 0, 0], labelDropout: 0.1 },
};
const keptOf = (count: number) => {
  const places = order.map((row) => row.slice(0, count).sort((a, b) => a - b));
  const ranks = places.map((row) =>
    Array.from({ length: 16 }, (_, i) => (row.includes(i) ? row.indexOf(i) : count)),
  );
  return new KeptTokens(tf.tensor2d(places, [2, count], 'int32'), tf.tensor2d(ranks, [2, 16], 'int32'));
};
const masks = order.map((row) => Array.from({ length: 16 }, (_, i) => (row.indexOf(i) < kept ? 1 : 0)));

/** Attention on the whole grid in which tokens that are not kept are hidden, from full tables of biases. */
function hidden(qkv: Tensor, config: SiTConfig, mediators: number, weights: Tensors): Tensor {
  const mask = tf.tensor2d(masks, [2, 16]);
  const size = config.hiddenSize / heads;
  const sides = rotaryPlaces(config);
  const [q, k, v] = tf
    .split(qkv, 3, -1)
    .map((x) => x.reshape([2, 16, heads, size]).transpose([2, 0, 1, 3])) as [Tensor, Tensor, Tensor];
  const [turnedQ, turnedK] = [q, k].map((x) => (sides ? rotatedPlainly(x, sides) : x)) as [Tensor, Tensor];
  const unseen = tf.sub(1, mask).mul(-1e9).reshape([1, 2, 1, 16]);
  let attended: Tensor;
  const mediatorBias = weights['a.mediatorBias'];
  if (mediators === 0) {
    const scores = tf.matMul(turnedQ, turnedK, false, true).div(Math.sqrt(size)).add(unseen);
    attended = tf.matMul(tf.softmax(mediatorBias ? scores.add(mediatorBias) : scores), v);
  } else {
    const side = Math.sqrt(mediators);
    const line = adaptivePooling(grid, side);
    const { rows, columns, data } = overGrid(line);
    const shares = tf.tensor3d(data, [1, rows, columns]).mul(mask.reshape([2, 1, 16]));
    const sums = shares.sum(2, true);
    const isEmpty = sums.equal(0).cast('float32');
    const pooled = tf.matMul(shares.div(sums.add(isEmpty)).expandDims(0), q).div(Math.sqrt(size));
    const centres =
      sides &&
      Array.from({ length: side }, (_, i) =>
        sides.reduce((sum, place, j) => sum + place * line.data[i * grid + j]!, 0),
      );
    const tokens = centres ? rotatedPlainly(pooled, centres) : pooled;
    const seen = tf.matMul(tokens, turnedK, false, true).add(mediatorBias!).add(unseen);
    const gathered = tf.matMul(tf.softmax(seen), v);
    const read = tf
      .matMul(turnedQ, tokens, false, true)
      .add(weights['a.queryBias']!)
      .add(isEmpty.reshape([1, 2, 1, mediators]).mul(-1e9));
    attended = tf.matMul(tf.softmax(read), gathered);
  }
  const merged = attended.transpose([1, 2, 0, 3]).reshape([2, 16, config.hiddenSize]);
  const filter = weights['a.depthwise.weight'];
  if (filter === undefined) return merged;
  const values = tf.split(qkv, 3, -1)[2]!.mul(mask.expandDims(-1));
  const map = values.reshape<Tensor4D>([2, grid, grid, config.hiddenSize]);
  const detail = tf.depthwiseConv2d(map, filter as Tensor4D, 1, 'same').add(weights['a.depthwise.bias']!);
  return merged.add(detail.reshape(merged.shape));
}

/** Rotation of all the grid's points by sums of products, with gradients by tfjs. */
function rotatedPlainly(x: Tensor, sides: readonly number[]): Tensor {
  const size = x.shape[3]!;
  const unit = tf
    .eye(size)
    .reshape([1, 1, size, size])
    .tile([1, sides.length ** 2, 1, 1]);
  // Rows of the identity show what rotation does to each channel at each point.
  const turns = tf.stack(
    tf
      .unstack(unit, 2)
      .map((row) => rotate(row.expandDims(0).reshape([1, 1, sides.length ** 2, size]), { sides })),
  );
  const matrices = turns.reshape([size, sides.length ** 2, size]).transpose([1, 0, 2]);
  return tf.matMul(x.expandDims(3), matrices.expandDims(0).expandDims(0)).squeeze([3]);
}

const attentions = [
  { name: 'full attention', mediators: 0, config: shape },
  { name: 'full attention, rotated', mediators: 0, config: { ...shape, rope: 4 } },
  { name: 'full attention with extras', mediators: 0, config: { ...shape, mediatorExtras: true, rope: 4 } },
  // Of four windows that divide the grid, of nine that overlap, and of sixteen most are empty.
  ...[4, 9, 16].flatMap((mediators) => [
    { name: `${mediators} mediators`, mediators, config: shape },
    { name: `${mediators} mediators, rotated`, mediators, config: { ...shape, rope: 4 } },
  ]),
];

it.each(attentions)('attends as if the others were hidden: $name', ({ mediators, config }) => {
  const own = sitParameters({ ...config, mediators: [mediators, 0, 0, 0] });
  const local = own.filter(({ name }) => /^blocks\.0\.attention\.(depthwise|qkv)/.test(name));
  const biases =
    mediators > 0
      ? {
          'a.mediatorBias': waves([heads, 1, mediators, 16], 1.1),
          'a.queryBias': waves([heads, 1, 16, mediators], 1.3),
        }
      : config.mediatorExtras
        ? { 'a.mediatorBias': waves([heads, 1, 16, 16], 1.1) }
        : {};
  const withDetail = Object.keys(biases).length > 0;
  const given = {
    qkv: waves([2, 16, 3 * config.hiddenSize], 0.7),
    ...biases,
    ...(withDetail && {
      'a.depthwise.weight': waves([3, 3, 8, 1], 1.7),
      'a.depthwise.bias': waves([8], 1.9),
    }),
  };
  expect(local.length).toBe(withDetail ? 4 : 2);
  const names = Object.keys(given);
  const results = (f: (kept: KeptTokens, weights: Tensors) => Tensor) =>
    runEagerly((tensors: Tensors): Tensors => {
      const places = keptOf(kept);
      const apply = (...values: Tensor[]) =>
        f(places, Object.fromEntries(names.map((name, i) => [name, values[i]!])));
      const value = apply(...names.map((name) => tensors[name]!));
      const weight = tf.sin(tf.range(0, value.size)).reshape(value.shape);
      const grads = tf.grads((...values: Tensor[]) =>
        apply(...values)
          .mul(weight)
          .sum(),
      )(names.map((name) => tensors[name]!));
      return { value, ...Object.fromEntries(grads.map((grad, i) => [names[i]!, grad])) };
    }, given);
  const sides = rotaryPlaces(config);
  const found = results((kept, { qkv, ...weights }) => {
    const projected = kept.take(qkv!);
    const placed = { heads, grid, kept, places: sides && { sides, kept } };
    return mediators === 0
      ? fullAttention(projected, weights, 'a', placed)
      : mediatorAttention(projected, weights, 'a', { ...placed, mediators });
  });
  const expected = results((kept, { qkv, ...weights }) =>
    kept.take(hidden(qkv!, config, mediators, weights)),
  );
  expect(found.value!.shape).toEqual([2, kept, 8]);
  for (const [name, { data }] of Object.entries(expected)) {
    expect(found[name]!.data, name).toBeAllclose(data, { absolute: 2e-5, relative: 1e-4 });
    expect(
      data.some((value) => Math.abs(value) > 1e-3),
      name,
    ).toBe(true);
  }
});

const switches: Partial<SiTConfig>[] = [
  {},
  { rmsNorm: true },
  { swiGlu: true },
  { rope: 4 },
  { qkNorm: true },
  { valueResidual: true },
  { mediatorExtras: true },
  { rmsNorm: true, swiGlu: true, rope: 4, qkNorm: true, valueResidual: true, mediatorExtras: true },
];

it.each(switches)('is the same as without where all tokens are kept: %j', (more) => {
  const config = { ...shape, ...more, depth: 5, mediators: [0, 4, 0, 9, 0] };
  const weights = initialize(
    sitParameters(config).map((each) => ({ ...each, initial: { kind: 'normal', std: 0.4 } as const })),
    5,
  );
  const { all, without } = runEagerly(
    ({ x, t, y, ...weights }: Tensors) => {
      const places = keptOf(16);
      const network = (kept?: KeptTokens) =>
        sit(weights, config, x as Tensor4D, t as Tensor1D, y as Tensor1D, (start, blocks) => {
          if (!kept) return blocks(start);
          const h = blocks(start, 0, 1);
          return blocks(kept.replaced(h, blocks(kept.take(h), 1, 4, kept)), 4);
        });
      return { all: network(places), without: network() };
    },
    {
      ...weights,
      x: waves([2, 4, 4, 2], 0.9),
      t: float32([2], Float32Array.of(0.2, 0.7)),
      y: int32([2], Int32Array.of(0, 3)),
    },
  );
  expect(all.data).toBeAllclose(without.data, { absolute: 1e-5, relative: 1e-5 });
});

it('leaves tokens that bypass blocks as they are, and none of the others', () => {
  const weights = initialize(
    sitParameters(shape).map((each) => ({ ...each, initial: { kind: 'normal', std: 0.4 } as const })),
    5,
  );
  const given = waves([2, 16, 8], 0.6);
  const { out } = runEagerly(
    ({ h, condition, ...weights }: Tensors) => {
      const places = keptOf(kept);
      const taken = places.take(h!);
      const end = block(weights, shape, 'blocks.1', 0, { h: taken }, condition!, places);
      return { out: places.replaced(h!, end.h) };
    },
    { ...weights, h: given, condition: waves([2, 8], 1.2) },
  );
  for (const [i, value] of out.data.entries()) {
    const isKept = masks.flat()[Math.floor(i / 8)] === 1;
    expect(value === given.data[i]).toBe(!isKept);
  }
});
