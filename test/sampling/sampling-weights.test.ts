import { afterEach, describe, expect, test } from 'vitest';
import { type SiTConfig, sitParameters } from '../../src/models/sit/config.js';
import { sit } from '../../src/models/sit/sit.js';
import { samplingWeights } from '../../src/sampling/index.js';
import {
  compile,
  EagerSession,
  float32,
  floats,
  type HostTensor,
  int32,
  nativeBackend,
  newVariables,
  openStore,
  type ProgramSession,
  type ProgramVariable,
  Session,
  sizeOf,
  type Tensor1D,
  type Tensor4D,
} from '../../src/tensorflow/index.js';
import { PackedFactors } from '../../src/tensorflow/packed-factors.js';
import { whyNoBfloat16 } from '../support/bfloat16.js';
import { describeUnless } from '../support/unless.js';

const config: SiTConfig = {
  ...{ latentSize: 8, channels: 4, patchSize: 1, hiddenSize: 32, depth: 2, heads: 2 },
  ...{ classes: 3, mediators: [16, 0], labelDropout: 0.1 },
};
const parameters = sitParameters(config);
const waves = (size: number, scale: number, pace: number) =>
  Float32Array.from({ length: size }, (_, i) => scale * Math.sin(pace * (i + 1) ** 1.3));
const values = new Map(
  parameters.map(({ name, shape }, i) => [name, float32(shape, waves(sizeOf(shape), 0.15, 1 + i / 100))]),
);
const inputs = {
  x: float32([2, 8, 8, 4], waves(512, 1, 1)),
  t: float32([2], Float32Array.of(0.3, 0.8)),
  y: int32([2], Int32Array.of(0, 2)),
};

let session: ProgramSession | undefined;
afterEach(() => session?.close());

async function loaded(
  place: ProgramSession,
  constant: boolean,
): Promise<Readonly<Record<string, ProgramVariable>>> {
  const variables = newVariables(
    place,
    parameters.map((parameter) => ({ ...parameter, constant })),
  );
  await openStore(place, variables).write(({ name }) => values.get(name)!);
  return Object.fromEntries(variables.map((variable) => [variable.name, variable]));
}

async function outputOf(
  place: ProgramSession,
  weights: Readonly<Record<string, ProgramVariable>>,
): Promise<Float32Array> {
  // A type, not an interface: it is a program's record of inputs.
  // eslint-disable-next-line @typescript-eslint/consistent-type-definitions
  type Inputs = { x: Tensor4D; t: Tensor1D; y: Tensor1D };
  const program = compile(({ x, t, y }: Inputs, w) => ({ output: sit(w, config, x, t, y) }), {
    session: place,
    weights,
  });
  const { output } = (await program.call(inputs)) as { output: HostTensor };
  return floats(output);
}

test.each(['native', 'eager'])('biases that were made before give the same bits: %s', async (engine) => {
  nativeBackend();
  session = engine === 'native' ? new Session({ device: 'cpu', rewriting: false }) : new EagerSession();
  const weights = await loaded(session, false);
  const sampled = await samplingWeights(session, config, weights);
  expect(Object.keys(sampled).filter((name) => name.includes('Bias'))).toEqual([
    'blocks.0.attention.mediatorBias',
    'blocks.0.attention.queryBias',
  ]);
  const output = await outputOf(session, sampled);
  expect(output).toEqual(await outputOf(session, weights));
  expect(Math.max(...output)).toBeGreaterThan(0.01);
});

describeUnless(whyNoBfloat16, 'constants in bfloat16', () => {
  test('are kept by products, which give the same within their rounding', async () => {
    nativeBackend();
    const native = new Session({ device: 'cpu', precision: 'bfloat16', rewriting: false });
    session = native;
    const plain = await outputOf(native, await loaded(native, false));
    const named = () =>
      Array.from({ length: native.graph.size }, (_, i) => `MklNativeFusedMatMul_${i}`).filter(
        (name) => native.graph.find(name) !== undefined,
      );
    expect(named()).toEqual([]);
    const constants = await loaded(native, true);
    const packed = await outputOf(native, constants);
    // Four of each block: queries, keys and values; the projection; two of the MLP. And conditions.
    expect(named().length).toBeGreaterThanOrEqual(8);
    expect(await outputOf(native, constants)).toEqual(packed);
    const largest = Math.max(...plain.map(Math.abs));
    const apart = Math.max(...packed.map((value, i) => Math.abs(value - plain[i]!)));
    expect(apart).toBeLessThan(2 ** -6 * largest);
  });
});

describe('constants', () => {
  test('are written once', async () => {
    nativeBackend();
    const native = new Session({ device: 'cpu', rewriting: false });
    session = native;
    const variables = newVariables(native, [{ name: 'w', shape: [1], constant: true }]);
    const store = openStore(native, variables);
    await store.write(() => float32([1], Float32Array.of(1)));
    await expect(store.write(() => float32([1], Float32Array.of(2)))).rejects.toThrow('written once');
  });

  test('are copied as far as there is room', () => {
    const packed = new PackedFactors();
    const [weight, other] = [
      { operation: 1n, index: 0 },
      { operation: 2n, index: 0 },
    ];
    packed.add(weight);
    expect(packed.take(other, 1)).toBe(false);
    expect(packed.take(weight, 200 * 2 ** 20)).toBe(true);
    expect(packed.take(weight, 100 * 2 ** 20)).toBe(false);
    expect(packed.take(weight, 56 * 2 ** 20)).toBe(true);
    expect(packed.take(weight, 1)).toBe(false);
  });
});
