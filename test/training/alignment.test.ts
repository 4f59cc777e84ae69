import { beforeAll, describe, expect, it } from 'vitest';
import type { SiTConfig } from '../../src/models/sit/config.js';
import {
  featureHead,
  featureHeadParameters,
  selfHead,
  selfHeadParameters,
} from '../../src/models/sit/heads.js';
import { sit, tokensAfter } from '../../src/models/sit/sit.js';
import { sitParameters } from '../../src/models/sit/config.js';
import { initialize } from '../../src/nn/parameters.js';
import {
  float32,
  int32,
  mapValues,
  nativeBackend,
  runEagerly,
  streamKey,
  type Tensor,
  type Tensor1D,
  type Tensor4D,
  type Tensors,
  tf,
} from '../../src/tensorflow/index.js';
import { featureAlignmentLoss, spatiallyNormalised } from '../../src/training/feature-alignment.js';
import { alignedDistance, selfAlignmentLoss } from '../../src/training/self-alignment.js';
import { timeInterval, transportOf } from '../../src/transport/index.js';
import { hostOf, methodFixture, type Numbers } from '../support/method-fixture.js';

type Layers = readonly { readonly weight: Numbers; readonly bias: Numbers }[];
interface Expected {
  readonly selfAlignment: Readonly<Record<'tokens' | 'target' | 'gradient', Numbers>> & {
    readonly layers: Layers;
    readonly loss: number;
  };
  readonly featureAlignment: Readonly<Record<'tokens' | 'features' | 'normalised', Numbers>> & {
    readonly mlp: { readonly layers: Layers; readonly loss: number; readonly gradient: Numbers };
    readonly convolution: Readonly<Record<'weight' | 'bias' | 'gradient', Numbers>> & {
      readonly loss: number;
    };
  };
}

const expected = methodFixture() as Expected;
const weightsOf = (names: readonly string[], layers: Layers) =>
  Object.fromEntries(
    layers.flatMap(({ weight, bias }, i) => [
      [`${names[i]!}.weight`, hostOf(weight)],
      [`${names[i]!}.bias`, hostOf(bias)],
    ]),
  );

beforeAll(() => {
  nativeBackend();
});

describe('self-alignment', () => {
  it('has the loss and the gradient of the public PyTorch code', () => {
    const { tokens, target, layers, loss, gradient } = expected.selfAlignment;
    const weights = weightsOf([selfHead.inner, selfHead.outer], layers);
    const result = runEagerly(
      ({ tokens, target, ...weights }: Tensors) => {
        const { value, grads } = tf.valueAndGrads((tokens: Tensor) =>
          alignedDistance(weights, tokens, target!).mean().asScalar(),
        )([tokens!]);
        return { value, gradient: grads[0]! };
      },
      { ...weights, tokens: hostOf(tokens), target: hostOf(target) },
    );
    expect(result.value.data[0]).toBeCloseTo(loss, 5);
    // Small differences of numbers near 5, which float32 rounds to 5e-7, are divided by 0.05.
    expect(result.gradient.data).toBeAllclose(gradient.data, { absolute: 1e-5, relative: 1e-4 });
  });

  const model: SiTConfig = {
    ...{ latentSize: 4, channels: 2, patchSize: 1, hiddenSize: 8, depth: 3, heads: 2, classes: 3 },
    ...{ mediators: [4, 0, 1], labelDropout: 0.1, valueResidual: true },
  };
  const parameters = sitParameters(model);
  // Blocks of a model that begins do nothing: their gates are zero.
  const weights = initialize(
    parameters.map((each) => ({ ...each, initial: { kind: 'normal', std: 0.3 } as const })),
    1,
  );
  const numbers = (name: string, shape: readonly number[]) => {
    const size = shape.reduce((a, b) => a * b);
    return float32(
      shape,
      Float32Array.from({ length: size }, (_, i) => Math.sin(1.7 * i + name.length)),
    );
  };
  const inputs = {
    data: numbers('data', [5, 4, 4, 2]),
    noise: numbers('other', [5, 4, 4, 2]),
    t: float32([5], Float32Array.of(0, 0.3, 0.5, 0.9, 1)),
    y: int32([5], Int32Array.of(0, 1, 2, 3, 0)),
    key: streamKey(1, 'self-alignment', 0),
    firstSample: int32([1], Int32Array.of(0)),
  };

  it('takes the tokens after some blocks, as the whole model has them on its way', () => {
    const { alone, within } = runEagerly(
      ({ data, t, y, ...weights }: Tensors) => {
        const given = { x: data as Tensor4D, t: t as Tensor1D, y: y as Tensor1D };
        let within: Tensor | undefined;
        sit(weights, model, given.x, given.t, given.y, (h, blocks) => {
          within = blocks(h, 0, 2);
          return blocks(within, 2);
        });
        return { alone: tokensAfter(weights, model, given, 2), within: within! };
      },
      { ...weights, data: inputs.data, t: inputs.t, y: inputs.y },
    );
    expect(within.data).toEqual(alone.data);
    expect(alone.shape).toEqual([5, 16, 8]);
  });

  it('compares with the average at times that are ahead by at most `timeAhead`, and none beyond the end', () => {
    const choice = { interpolant: 'linear', prediction: 'velocity' } as const;
    const heads = initialize(selfHeadParameters(8), 2);
    const average = mapValues(weights, (value) => value);
    const seen: number[][] = [];
    for (const timeAhead of [1e-9, 0.4]) {
      const { losses, target } = runEagerly(
        ({ data, noise, t, y, key, firstSample, ...all }: Tensors) => {
          const point = { data, noise, t, y, firstSample, x: data } as never;
          const tokens = tf.zeros([5, 16, 8]);
          const given = { tokens, weights: all, average: all, key: key as Tensor1D };
          const losses = selfAlignmentLoss(
            { blocks: 1, teacherBlocks: 2, timeAhead },
            model,
            given,
            point,
            transportOf(choice),
            timeInterval(choice, 0),
          );
          const column = t!.reshape([-1, 1, 1, 1]);
          const x = data!.mul(column).add<Tensor4D>(noise!.mul(tf.sub(1, column)));
          const target = tokensAfter(all, model, { x, t: t as Tensor1D, y: y as Tensor1D }, 2);
          return { losses, target: alignedDistance(all, tokens, target) };
        },
        { ...average, ...heads, ...inputs },
      );
      seen.push([...losses.data].map((value, i) => Math.abs(value - target.data[i]!)));
    }
    const [at, ahead] = seen as [number[], number[]];
    for (const value of at) expect(value).toBeLessThan(1e-5);
    // The last sample is at the end already.
    expect(ahead[4]).toBeLessThan(1e-5);
    for (const value of ahead.slice(0, 4)) expect(value).toBeGreaterThan(1e-4);
  });
});

describe('alignment with features', () => {
  const { tokens, features, normalised, mlp, convolution } = expected.featureAlignment;
  const ways = [
    { projection: 'mlp', normalization: false, weights: weightsOf(featureHead.mlp, mlp.layers), ...mlp },
    {
      projection: 'convolution',
      normalization: true,
      weights: weightsOf([featureHead.convolution], [convolution]),
      ...convolution,
    },
  ] as const;

  it.each(ways)('has the loss and the gradient of the public PyTorch code: $projection', (way) => {
    const result = runEagerly(
      ({ tokens, features, ...weights }: Tensors) => {
        const target = way.normalization ? spatiallyNormalised(features!) : features!;
        const { value, grads } = tf.valueAndGrads((tokens: Tensor) =>
          featureAlignmentLoss({ projection: way.projection, width: 5 }, weights, tokens, target)
            .mean()
            .asScalar(),
        )([tokens!]);
        return { value, gradient: grads[0]! };
      },
      { ...way.weights, tokens: hostOf(tokens), features: hostOf(features) },
    );
    // Single precision over 50 products.
    expect(result.value.data[0]).toBeCloseTo(way.loss, 5);
    expect(result.gradient.data).toBeAllclose(way.gradient.data, { absolute: 1e-6, relative: 1e-4 });
  });

  it('normalises features as the public PyTorch code does', () => {
    const { value } = runEagerly(({ features }: Tensors) => ({ value: spatiallyNormalised(features!) }), {
      features: hostOf(features),
    });
    expect(value.data).toBeAllclose(normalised.data, { absolute: 1e-5 });
  });

  it.each([
    [{ projection: 'mlp', width: 7 }, 8 * 7 + 7 + 7 * 7 + 7 + 7 * 3 + 3],
    [{ projection: 'convolution', width: 7 }, 9 * 8 * 3 + 3],
  ] as const)('has a head of as many weights as it uses: %j', (head, count) => {
    const sizes = featureHeadParameters(head, 8, 3).map(({ shape }) =>
      shape.reduce<number>((a, b) => a * b, 1),
    );
    expect(sizes.reduce((a, b) => a + b)).toBe(count);
  });
});
