import { expect, test } from 'vitest';
import { type SiTConfig, sitParameters } from '../../../src/models/sit/config.js';
import { sit } from '../../../src/models/sit/sit.js';
import {
  compile,
  float32,
  floats,
  int32,
  nativeBackend,
  type RuntimeOptions,
  Session,
  sizeOf,
  type Tensor,
  type Tensor1D,
  type Tensor4D,
  type Tensors,
  tf,
} from '../../../src/tensorflow/index.js';
import { whyNoBfloat16 } from '../../support/bfloat16.js';

const plainBlocks: SiTConfig = {
  ...{ latentSize: 8, channels: 4, patchSize: 1, hiddenSize: 32, depth: 2, heads: 2 },
  ...{ classes: 3, mediators: [16, 0], labelDropout: 0.1 },
};
const shape = [2, 8, 8, 4];
const waves = (size: number, scale: number, pace: number) =>
  Float32Array.from({ length: size }, (_, i) => scale * Math.sin(pace * (i + 1) ** 1.3));
const inputs = {
  x: float32(shape, waves(sizeOf(shape), 1, 1)),
  t: float32([2], Float32Array.of(0.3, 0.8)),
  y: int32([2], Int32Array.of(0, 2)),
};
const blocks = {
  plain: plainBlocks,
  'with every switch': {
    ...plainBlocks,
    rmsNorm: true,
    swiGlu: true,
    rope: 4,
    qkNorm: true,
    valueResidual: true,
  },
} as const satisfies Record<string, SiTConfig>;
// Where weights start as zeros, such as the gates of blocks, there would be nothing to see.
const weightsOf = (config: SiTConfig) =>
  Object.fromEntries(
    sitParameters(config).map(({ name, shape }, i) => [
      `weight ${name}`,
      float32(shape, waves(sizeOf(shape), 0.15, 1 + i / 100)),
    ]),
  );

/** The network's output, and the gradient of its mean square by every weight, one after the other. */
async function results(
  config: SiTConfig,
  runtime: RuntimeOptions,
): Promise<{ value: Float32Array; gradients: Float32Array }> {
  const session = new Session({ device: 'cpu', ...runtime });
  try {
    const program = compile(
      ({ x, t, y, ...named }: Record<string, Tensor>): Tensors => {
        const names = Object.keys(named);
        const network = (...values: Tensor[]) =>
          sit(
            Object.fromEntries(names.map((name, i) => [name.slice('weight '.length), values[i]!])),
            config,
            x as Tensor4D,
            t as Tensor1D,
            y as Tensor1D,
          );
        const gradients = tf.grads((...values) =>
          network(...values)
            .square()
            .mean(),
        )(Object.values(named));
        return {
          value: network(...Object.values(named)),
          gradients: tf.concat(gradients.map((gradient) => gradient.flatten())),
        };
      },
      { session },
    );
    const { value, gradients } = await program.call({ ...inputs, ...weightsOf(config) });
    return { value: floats(value!), gradients: floats(gradients!) };
  } finally {
    await session.close();
  }
}

/** Distance as a part of the length of b. */
function distance(a: Float32Array, b: Float32Array): number {
  const length = (of: (i: number) => number) => Math.sqrt(b.reduce((sum, _, i) => sum + of(i) ** 2, 0));
  return length((i) => a[i]! - b[i]!) / length((i) => b[i]!);
}

test.each([
  ['plain', { fusion: true }],
  ['plain', { fusion: true, rewriting: false }],
  ['with every switch', { fusion: true, rewriting: false }],
] as const)(
  'fused, or with biases in products, results are those of plain operations: %s, %j',
  async (name, runtime) => {
    nativeBackend();
    const config = blocks[name];
    const [found, plain] = [await results(config, runtime), await results(config, { fusion: false })];
    expect(distance(found.value, plain.value)).toBeLessThan(1e-6);
    expect(distance(found.gradients, plain.gradients)).toBeLessThan(1e-6);
  },
);

test.for(Object.entries(blocks))(
  "bfloat16 is as near to float32 as its digits and TensorFlow's own rewriting: %s",
  async ([, config], { skip }) => {
    if (whyNoBfloat16 !== undefined) skip(whyNoBfloat16);
    nativeBackend();
    const exact = await results(config, {});
    const ours = await results(config, { precision: 'bfloat16', rewriting: false, fusion: true });
    const theirs = await results(config, { precision: 'bfloat16', fusion: true });
    for (const of of ['value', 'gradients'] as const) {
      const found = distance(ours[of], exact[of]);
      // Numbers of 8 significant bits are off by 2^-9 at most, in each of several products one after the other.
      expect(found).toBeGreaterThan(2 ** -11);
      expect(found).toBeLessThan(2 ** -5);
      expect(found).toBeLessThan(1.5 * distance(theirs[of], exact[of]));
    }
  },
);
