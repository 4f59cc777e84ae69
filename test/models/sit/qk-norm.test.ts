import { describe, expect, it } from 'vitest';
import { fullAttention, mediatorAttention, queryKeyValue } from '../../../src/models/sit/attention.js';
import { type SiTConfig, sitParameters } from '../../../src/models/sit/config.js';
import { inferConfig, referenceShapes } from '../../../src/models/sit/reference-state.js';
import { linear } from '../../../src/nn/layers.js';
import { initialize } from '../../../src/nn/parameters.js';
import {
  float32,
  floats,
  type HostTensors,
  runEagerly,
  sizeOf,
  type Tensor,
} from '../../../src/tensorflow/index.js';

const [grid, channels, heads] = [4, 8, 2];
const model = (mediators: number, qkNorm: boolean): SiTConfig => ({
  latentSize: grid,
  channels: 4,
  patchSize: 1,
  hiddenSize: channels,
  depth: 1,
  heads,
  classes: 3,
  mediators: [mediators],
  labelDropout: 0.1,
  qkNorm,
});
const name = 'blocks.0.attention';
const x = float32(
  [2, grid ** 2, channels],
  Float32Array.from({ length: 2 * grid ** 2 * channels }, (_, i) => Math.sin(i * i)),
);

const weightsOf = (config: SiTConfig): HostTensors => initialize(sitParameters(config), 5);
const attention = (mediators: number, weights: HostTensors) =>
  runEagerly(
    ({ x }, tensors) => {
      const project = (weight: Tensor, bias: Tensor) => linear(x!, weight, bias);
      const qkv = queryKeyValue(project, tensors, name, heads);
      return {
        y:
          mediators === 0
            ? fullAttention(qkv, tensors, name, { heads, grid })
            : mediatorAttention(qkv, tensors, name, { heads, mediators, grid }),
      };
    },
    { x },
    weights,
  ).y;

/** Weights with some tensors replaced by a function of their values. */
const changed = (weights: HostTensors, pattern: RegExp, to: (value: number, i: number) => number) =>
  Object.fromEntries(
    Object.entries(weights).map(([key, tensor]) => [
      key,
      pattern.test(key) ? { ...tensor, data: floats(tensor).map(to) } : tensor,
    ]),
  );

describe.each([0, 4])('attention with %i mediators', (mediators) => {
  /** Ten times larger queries and keys; values stay. */
  const louder = (weights: HostTensors) =>
    changed(weights, /qkv/, (value, i) => (i % (3 * channels) < 2 * channels ? 10 * value : value));

  it('does not depend on the size of queries and keys, once they are normalised', () => {
    const weights = weightsOf(model(mediators, true));
    // Their variance is near 0.3, so that ε = 1e-5 of the norm still shows in the fifth digit.
    expect(attention(mediators, louder(weights))).toBeAllclose(attention(mediators, weights), {
      absolute: 2e-4,
    });
    const plain = weightsOf(model(mediators, false));
    const differences = floats(attention(mediators, louder(plain))).map((value, i) =>
      Math.abs(value - attention(mediators, plain).data[i]!),
    );
    expect(Math.max(...differences)).toBeGreaterThan(0.05);
  });

  it('averages all values where the learned scale of the queries is zero', () => {
    const weights = changed(weightsOf(model(mediators, true)), /queryNorm|Bias|depthwise|qkv\.bias/, () => 0);
    const qkv = weights[`${name}.qkv.weight`]!;
    const value = (batch: number, token: number, channel: number) =>
      sum(
        channels,
        (i) =>
          x.data[(batch * grid ** 2 + token) * channels + i]! *
          qkv.data[i * 3 * channels + 2 * channels + channel]!,
      );
    const expected = Array.from({ length: sizeOf(x.shape) }, (_, at) => {
      const [batch, channel] = [Math.floor(at / (grid ** 2 * channels)), at % channels];
      return sum(grid ** 2, (token) => value(batch, token, channel)) / grid ** 2;
    });
    expect(attention(mediators, weights)).toBeAllclose({ shape: x.shape, data: expected });
  });
});

it("has timm's names, which tell that a state dict is of such a model", () => {
  const shapes = referenceShapes(model(4, true));
  expect(shapes.get('blocks.0.attn.q_norm.weight')).toEqual([channels / heads]);
  expect(shapes.get('blocks.0.attn.k_norm.bias')).toEqual([channels / heads]);
  expect(inferConfig(shapes, 'a.pt')).toEqual(model(4, true));
  expect(inferConfig(referenceShapes(model(4, false)), 'a.pt').qkNorm).toBeUndefined();
});

function sum(count: number, term: (i: number) => number): number {
  return Array.from({ length: count }, (_, i) => term(i)).reduce((a, b) => a + b, 0);
}
