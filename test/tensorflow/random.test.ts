import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  CompiledProgram,
  float32,
  floats,
  type HostTensor,
  int32,
  nativeBackend,
  randomNormal,
  randomUniform,
  runEagerly,
  Session,
  streamKey,
  type Tensor,
  type Tensor1D,
} from '../../src/tensorflow/index.js';
import { philox } from './philox.js';

type Draw = typeof randomNormal;
type Inputs = Readonly<Record<'key' | 'first', Tensor>>;

const program = (draw: Draw, samples: number, shape: readonly number[]) => (i: Inputs) => ({
  out: draw(i.key as Tensor1D, i.first as Tensor1D, samples, shape),
});
const inputs = (key: HostTensor, first: number) => ({ key, first: int32([1], Int32Array.of(first)) });

function eager(
  draw: Draw,
  key: HostTensor,
  first: number,
  samples: number,
  shape: readonly number[],
): Float32Array {
  return floats(runEagerly<Inputs, { out: Tensor }>(program(draw, samples, shape), inputs(key, first)).out);
}

beforeAll(() => {
  nativeBackend();
});

describe('Philox', () => {
  // Known answers that come with the authors' library Random123 (kat_vectors).
  test.each([
    [
      [0, 0, 0, 0],
      [0, 0],
      [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    ],
    [
      Array<number>(4).fill(0xffffffff),
      Array<number>(2).fill(0xffffffff),
      [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ])('as these tests have it gives the published numbers', (counter, key, expected) => {
    expect(philox(counter, key)).toEqual(expected);
  });

  /** TensorFlow makes a float in [0, 1) of the low 23 bits. */
  const toUniform = (word: number) => (word & 0x7fffff) / 2 ** 23;
  const pi = int32([2], Int32Array.of(0xa4093822 | 0, 0x299f31d0));
  const words = (count: number) => philox([count, 0, 0, 0], [0xa4093822, 0x299f31d0]);

  test('gives the uniform numbers: each sample has its own counters', () => {
    expect([...eager(randomUniform, int32([2], Int32Array.of(0, 0)), 0, 1, [4])]).toEqual(
      philox([0, 0, 0, 0], [0, 0]).map(toUniform),
    );
    // Six numbers a sample take two counts; samples 3 and 4 begin at 6 and 8, and two numbers are left over.
    const expected = [
      ...[...words(6), ...words(7)].slice(0, 6),
      ...[...words(8), ...words(9)].slice(0, 6),
    ].map(toUniform);
    expect([...eager(randomUniform, pi, 3, 2, [2, 3])]).toEqual(expected);
  });

  test('gives the normal numbers, by the Box-Muller transform', () => {
    const [a, b, c, d] = words(5).map(toUniform) as [number, number, number, number];
    const pair = (u: number, v: number) => {
      const radius = Math.sqrt(-2 * Math.log(u));
      return [radius * Math.sin(2 * Math.PI * v), radius * Math.cos(2 * Math.PI * v)];
    };
    expect(eager(randomNormal, pi, 5, 1, [4])).toBeAllclose([...pair(a, b), ...pair(c, d)]);
  });

  test('a sample far down the stream has a counter of more than 32 bits', () => {
    const first = 2 ** 30 + 1;
    const position = BigInt(first) * 8n; // 32 numbers take 8 counts.
    const counter = [Number(position & 0xffffffffn), Number(position >> 32n), 0, 0];
    expect([...eager(randomUniform, pi, first, 1, [32])].slice(0, 4)).toEqual(
      philox(counter, [0xa4093822, 0x299f31d0]).map(toUniform),
    );
  });
});

describe('streams', () => {
  const key = streamKey(7, 'noise', 3);

  test('do not depend on how samples are split into batches', () => {
    for (const [draw, shape] of [
      [randomNormal, [3, 5]],
      [randomUniform, [1]],
    ] as const) {
      const whole = eager(draw, key, 0, 8, shape);
      const parts = [
        eager(draw, key, 0, 3, shape),
        eager(draw, key, 3, 1, shape),
        eager(draw, key, 4, 4, shape),
      ];
      expect(parts.flatMap((part) => [...part])).toEqual([...whole]);
    }
  });

  test('of other seeds, purposes and steps have other keys', () => {
    const keys = [
      [7, 'noise', 3],
      [8, 'noise', 3],
      [7, 'time', 3],
      [7, 'noise', 4],
      [73, 'noise', 0],
    ] as const;
    const seen = new Set(keys.map(([seed, purpose, step]) => streamKey(seed, purpose, step).data.join()));
    expect(seen.size).toBe(keys.length);
    expect(streamKey(7, 'noise', 3)).toEqual(key);
  });

  test('of other purposes do not correlate', () => {
    const size = 100_000;
    const a = eager(randomNormal, streamKey(0, 'noise'), 0, size, [1]);
    const b = eager(randomNormal, streamKey(0, 'time'), 0, size, [1]);
    const correlation = a.reduce((sum, value, i) => sum + value * b[i]!, 0) / size;
    // Its standard deviation is 1/√size.
    expect(Math.abs(correlation)).toBeLessThan(4 / Math.sqrt(size));
  });

  test('traced give the same bits as eager', async () => {
    const session = new Session({ device: 'cpu' });
    for (const draw of [randomNormal, randomUniform]) {
      const body = program(draw, 5, [3, 7]);
      const { out } = await new CompiledProgram<Inputs, { out: Tensor }>(session, body).call(inputs(key, 11));
      expect(out).toEqual(float32([5, 3, 7], eager(draw, key, 11, 5, [3, 7])));
    }
    await session.close();
  });
});

describe('statistics of a million numbers', () => {
  const size = 2 ** 20;
  let normal: Float32Array;
  let uniform: Float32Array;
  beforeAll(() => {
    normal = eager(randomNormal, streamKey(1, 'noise'), 0, size / 64, [64]);
    uniform = eager(randomUniform, streamKey(1, 'time'), 0, size / 64, [64]);
  });
  afterAll(() => {
    normal = uniform = new Float32Array();
  });
  const mean = (values: Float32Array, f: (x: number) => number) =>
    values.reduce((sum, x) => sum + f(x), 0) / values.length;
  /** Four standard deviations of the estimate of a moment whose summands have this variance. */
  const margin = (variance: number) => 4 * Math.sqrt(variance / size);

  test('normal: the first four moments', () => {
    expect(Math.abs(mean(normal, (x) => x))).toBeLessThan(margin(1));
    expect(Math.abs(mean(normal, (x) => x ** 2) - 1)).toBeLessThan(margin(2));
    expect(Math.abs(mean(normal, (x) => x ** 3))).toBeLessThan(margin(15));
    expect(Math.abs(mean(normal, (x) => x ** 4) - 3)).toBeLessThan(margin(96));
  });

  test('uniform: in [0, 1), and as many in each sixteenth', () => {
    const counts = new Array<number>(16).fill(0);
    for (const value of uniform) {
      const bin = Math.floor(value * 16);
      counts[bin] = (counts[bin] ?? NaN) + 1;
    }
    expect(counts).toHaveLength(16);
    const chiSquared = counts.reduce((sum, count) => sum + (count - size / 16) ** 2 / (size / 16), 0);
    // The 99.99 % point of χ² with 15 degrees of freedom.
    expect(chiSquared).toBeLessThan(44.3);
  });
});
