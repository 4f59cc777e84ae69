import { beforeAll, describe, expect, it } from 'vitest';
import { type SiTConfig, sitParameters, valueShare } from '../../../src/models/sit/config.js';
import { inferConfig, referenceOrder, referenceShapes } from '../../../src/models/sit/reference-state.js';
import { block, type Passing, sit } from '../../../src/models/sit/sit.js';
import { KeptTokens } from '../../../src/nn/kept-tokens.js';
import { initialize } from '../../../src/nn/parameters.js';
import {
  float32,
  floats,
  type HostTensors,
  int32,
  nativeBackend,
  runEagerly,
  sizeOf,
  type Tensor,
  type Tensor1D,
  type Tensor4D,
  type Tensors,
  tf,
} from '../../../src/tensorflow/index.js';

beforeAll(() => {
  nativeBackend();
});

const config: SiTConfig = {
  ...{ latentSize: 4, channels: 2, patchSize: 1, hiddenSize: 8, depth: 4, heads: 2, classes: 3 },
  ...{ mediators: [4, 0, 9, 0], labelDropout: 0.1, valueResidual: true },
};
const waves = (shape: readonly number[], pace: number) =>
  float32(
    shape,
    Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(pace * (i + 1) ** 1.2)),
  );
const inputs = {
  x: waves([2, 4, 4, 2], 0.9),
  t: float32([2], Float32Array.of(0.2, 0.7)),
  y: int32([2], Int32Array.of(0, 3)),
};
/** Weights none of which is zero, as gates are at first; shares are as given. */
const weightsOf = (config: SiTConfig, share: number): HostTensors => {
  const parameters = sitParameters(config).map((each) => ({
    ...each,
    initial: { kind: 'normal', std: 0.4 } as const,
  }));
  const isShare = (name: string) => name.endsWith(valueShare(''));
  return Object.fromEntries(
    Object.entries(initialize(parameters, 5)).map(([name, value]) => [
      name,
      isShare(name) ? float32([], Float32Array.of(share)) : value,
    ]),
  );
};
const network = ({ x, t, y, ...weights }: Tensors, config: SiTConfig, recompute = false) =>
  sit(weights, config, x as Tensor4D, t as Tensor1D, y as Tensor1D, undefined, recompute);
const output = (config: SiTConfig, weights: HostTensors) =>
  floats(runEagerly((tensors: Tensors) => ({ v: network(tensors, config) }), { ...inputs, ...weights }).v);

describe.each([
  ['of all kinds', config],
  [
    'with every switch',
    { ...config, rmsNorm: true, swiGlu: true, rope: 4, qkNorm: true, mediatorExtras: true },
  ],
] as const)('blocks %s', (_, config) => {
  it('start with as much of the first values as of their own, each by a number', () => {
    const shares = sitParameters(config).filter(({ name }) => name.endsWith(valueShare('')));
    expect(shares.map(({ name }) => name)).toEqual([1, 2, 3].map((i) => valueShare(`blocks.${i}.attention`)));
    for (const value of Object.values(initialize(shares, 1)))
      expect(value).toMatchObject({ shape: [], data: Float32Array.of(0.5) });
  });

  it('are the same as without, to the last bit, where the share is 0', () => {
    const weights = weightsOf(config, 0);
    expect(output(config, weights)).toEqual(
      output({ ...config, valueResidual: false }, sharesLeftOut(weights)),
    );
    expect(output(config, weightsOf(config, 0.3))).not.toEqual(output(config, weights));
  });

  it('have no values of their own where the share is 1', () => {
    const weights = weightsOf(config, 1);
    /** Other values in blocks, from the first that is given on. */
    const changed = (from: number) =>
      Object.fromEntries(
        Object.entries(weights).map(([name, tensor]) => {
          const [, i] = /^blocks\.(\d)\.attention\.qkv\.weight$/.exec(name) ?? [];
          const isChanged = i !== undefined && Number(i) >= from;
          const values = floats(tensor).map((value, k) => (isChanged && k % 24 >= 16 ? -value : value));
          return [name, float32(tensor.shape, values)];
        }),
      );
    // v + 1·(first − v), in single precision over three blocks.
    expect(output(config, changed(1))).toBeAllclose(output(config, weights), { absolute: 1e-4 });
    const unmoved = output(config, weights);
    const moved = output(config, changed(0)).map((value, i) => Math.abs(value - unmoved[i]!));
    expect(Math.max(...moved)).toBeGreaterThan(0.1);
  });

  it('have the same gradients where they are computed anew for these', () => {
    const weights = weightsOf(config, 0.3);
    const names = Object.keys(weights);
    const [kept, anew] = [false, true].map((recompute) =>
      runEagerly(
        ({ x, t, y, ...own }: Tensors): Tensors => {
          const gradients = tf.grads((...values: Tensor[]) => {
            const given = Object.fromEntries(names.map((name, i) => [name, values[i]!]));
            return network({ x: x!, t: t!, y: y!, ...given }, config, recompute)
              .square()
              .mean();
          })(names.map((name) => own[name]!));
          return Object.fromEntries(gradients.map((gradient, i) => [names[i]!, gradient]));
        },
        { ...inputs, ...weights },
      ),
    );
    for (const name of names) {
      // The same operations; sums of partial gradients may be in another order.
      expect(anew![name]!.data, name).toBeAllclose(kept![name]!.data, { absolute: 1e-6, relative: 1e-4 });
      expect(
        floats(kept![name]!).some((value) => value !== 0),
        name,
      ).toBe(true);
    }
  });
});

function sharesLeftOut(weights: HostTensors): HostTensors {
  return Object.fromEntries(Object.entries(weights).filter(([name]) => !name.endsWith(valueShare(''))));
}

it('blocks take the first values of the tokens that they take', () => {
  const model = { ...config, mediators: [0, 0, 0, 0] };
  const places = [
    [1, 4, 5, 12],
    [0, 2, 9, 15],
  ];
  const ranks = places.map((row) =>
    Array.from({ length: 16 }, (_, i) => (row.includes(i) ? row.indexOf(i) : 4)),
  );
  const { found, expected } = runEagerly(
    ({ h, condition, x, t, y, ...weights }: Tensors) => {
      const kept = new KeptTokens(tf.tensor2d(places, [2, 4], 'int32'), tf.tensor2d(ranks, [2, 16], 'int32'));
      let found: Tensor | undefined;
      sit(weights, model, x as Tensor4D, t as Tensor1D, y as Tensor1D, (_, blocks, c) => {
        condition = c;
        found = blocks(kept.take(blocks(h!, 0, 1)), 1, 3, kept);
        return h!;
      });
      // Each sample by itself, its tokens picked by their numbers.
      const through = (passing: Passing, from: number, to: number, row: Tensor) =>
        [0, 1, 2, 3]
          .slice(from, to)
          .reduce((end, i) => block(weights, model, `blocks.${i}`, 0, end, row), passing);
      const expected = places.map((own, i) => {
        const row = condition!.slice([i, 0], [1, 8]);
        const { h: tokens, values } = through({ h: h!.slice([i, 0, 0], [1, 16, 8]) }, 0, 1, row);
        const picked = (all: Tensor) => tf.gather(all, tf.tensor1d(own, 'int32'), 1);
        return through({ h: picked(tokens), values: picked(values!) }, 1, 3, row).h;
      });
      return { found: found!, expected: tf.concat(expected) };
    },
    { ...inputs, ...weightsOf(model, 0.3), h: waves([2, 16, 8], 0.6), condition: waves([2, 8], 1.2) },
  );
  expect(found.data).toBeAllclose(expected.data, { absolute: 1e-5, relative: 1e-5 });
});

it('no block mixes values that are not there', () => {
  expect(() =>
    runEagerly(
      ({ x, t, y, ...weights }: Tensors) => ({
        v: sit(weights, config, x as Tensor4D, t as Tensor1D, y as Tensor1D, (h, blocks) => blocks(h, 1)),
      }),
      { ...inputs, ...weightsOf(config, 0.3) },
    ),
  ).toThrow('blocks.1.attention takes the values of the first block, which are not there.');
});

it("has SpeedrunDiT's names, which tell that a state dict is of such a model", () => {
  const shapes = referenceShapes(config);
  expect(shapes.has('blocks.0.attn.v1_lambda')).toBe(false);
  expect(shapes.get('blocks.3.attn.v1_lambda')).toEqual([]);
  expect(inferConfig(shapes, 'a.pt')).toEqual(config);
  // PyTorch meets a module's own parameters before those of its parts.
  const order = referenceOrder(config).filter((name) => name.startsWith('blocks.3.attn.'));
  expect(order.slice(0, 2)).toEqual(['blocks.3.attn.v1_lambda', 'blocks.3.attn.qkv.weight']);
});
