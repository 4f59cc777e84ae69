import { beforeAll, describe, expect, it } from 'vitest';
import type { SiTConfig } from '../../src/models/sit/config.js';
import { block } from '../../src/models/sit/sit.js';
import { Beside } from '../../src/stages/train/beside.js';
import {
  type HostTensor,
  int32,
  nativeBackend,
  runEagerly,
  type Tensor,
  type Tensors,
  tf,
} from '../../src/tensorflow/index.js';
import { drawTokens } from '../../src/training/token-routing.js';
import { timeInterval, transportOf } from '../../src/transport/index.js';
import { hostOf, methodFixture, type Numbers } from '../support/method-fixture.js';

beforeAll(() => {
  nativeBackend();
});

describe('draws', () => {
  const drawn = (positions: readonly number[], seed = 3) =>
    drawTokens(seed, positions, { tokens: 16, kept: 5 });
  const rows = ({ data }: HostTensor, width: number) =>
    Array.from({ length: data.length / width }, (_, i) => Array.from(data.slice(width * i, width * (i + 1))));
  const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

  it('keeps as many different tokens of each sample, in order, and all tokens as often', () => {
    const { places, ranks } = drawn(numbers(0, 800));
    const samples = rows(places, 5);
    for (const [i, row] of rows(ranks, 16).entries()) {
      expect(new Set(samples[i]).size).toBe(5);
      expect([...samples[i]!].sort((a, b) => a - b)).toEqual(samples[i]);
      expect(row).toEqual(
        numbers(0, 16).map((place) => (samples[i]!.includes(place) ? samples[i]!.indexOf(place) : 5)),
      );
    }
    const counts = numbers(0, 16).map((i) => samples.flat().filter((place) => place === i).length);
    // 250 of each are expected; four deviations of the binomial.
    for (const count of counts)
      expect(Math.abs(count - 250)).toBeLessThan(4 * Math.sqrt(800 * (5 / 16) * (11 / 16)));
    // Of 4,368 choices as likely.
    expect(new Set(samples.map(String)).size).toBeGreaterThan(650);
  });

  it('is of the sample and the seed alone', () => {
    const whole = rows(drawn(numbers(40, 46)).places, 5);
    expect([...rows(drawn([40, 41]).places, 5), ...rows(drawn(numbers(42, 46)).places, 5)]).toEqual(whole);
    expect(rows(drawn(numbers(40, 46), 4).places, 5)).not.toEqual(whole);
  });
});

interface Routed {
  readonly tokens: Numbers;
  readonly condition: Numbers;
  readonly shuffle: readonly (readonly number[])[];
  readonly kept: number;
  readonly blocks: readonly Readonly<Record<string, { readonly weight: Numbers; readonly bias: Numbers }>>[];
  readonly out: Numbers;
  readonly weight: Numbers;
  readonly gradients: readonly Numbers[];
}

it('gives what TREAD’s public PyTorch code gives, and its gradients', () => {
  const { tokenRouting: given } = methodFixture() as {
    readonly tokenRouting: Routed;
  };
  const { kept, shuffle, blocks } = given;
  const model: SiTConfig = {
    ...{ latentSize: 3, channels: 2, patchSize: 1, hiddenSize: 8, depth: 3, heads: 2, classes: 1 },
    ...{ mediators: [0, 0, 0], labelDropout: 0 },
  };
  const choice = { interpolant: 'linear', prediction: 'velocity' } as const;
  const beside = new Beside({
    config: { tokenRouting: { share: 1 - kept / 9, blocks: [1, 1] } },
    ...{
      model,
      seed: 0,
      transport: { ...transportOf(choice), lossWeight: 'none' },
      interval: timeInterval(choice, 0),
    },
  });
  const places = shuffle.map((row) => row.slice(0, kept).sort((a, b) => a - b));
  const ranks = places.map((row) => shuffle[0]!.map((_, i) => (row.includes(i) ? row.indexOf(i) : kept)));
  const weights = Object.fromEntries(
    blocks.flatMap((each, i) =>
      Object.entries(each).flatMap(([name, { weight, bias }]) => [
        [`blocks.${i}.${name}.weight`, hostOf(weight)],
        [`blocks.${i}.${name}.bias`, hostOf(bias)],
      ]),
    ),
  );
  const { out, ...gradients } = runEagerly(
    ({ tokens, condition, weight, places, ranks, ...weights }: Tensors): Tensors => {
      const projections = blocks.map((_, i) => `blocks.${i}.attention.qkv.weight`);
      const network = (tokens: Tensor, ...values: Tensor[]) => {
        const own = { ...weights, ...Object.fromEntries(projections.map((name, i) => [name, values[i]!])) };
        return beside.of({ routedPlaces: places!, routedRanks: ranks! }, own).through!(
          tokens,
          (h, from = 0, to = 3, kept?) =>
            [0, 1, 2]
              .slice(from, to)
              .reduce((h, i) => block(own, model, `blocks.${i}`, 0, { h }, condition!, kept).h, h),
          condition!,
        );
      };
      const values = [tokens!, ...projections.map((name) => weights[name]!)] as const;
      const grads = tf.grads((...values: Tensor[]) =>
        network(...(values as [Tensor, ...Tensor[]]))
          .mul(weight!)
          .sum(),
      )([...values]);
      return { out: network(...values), ...Object.fromEntries(grads.entries()) };
    },
    {
      ...weights,
      ...{ tokens: hostOf(given.tokens), condition: hostOf(given.condition), weight: hostOf(given.weight) },
      places: int32([2, kept], Int32Array.from(places.flat())),
      ranks: int32([2, 9], Int32Array.from(ranks.flat())),
    },
  );
  // Single precision over three blocks.
  expect(out!.data).toBeAllclose(given.out.data, { absolute: 1e-5, relative: 1e-4 });
  for (const [i, gradient] of given.gradients.entries())
    expect(gradients[i]!.data, `gradient ${i}`).toBeAllclose(gradient.data, {
      absolute: 1e-4,
      relative: 1e-4,
    });
});
