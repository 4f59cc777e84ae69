import { describe, expect, it } from 'vitest';
import { classifierFreeField, guidedField, guides } from '../../src/sampling/index.js';
import { float32, int32, runEagerly, tf } from '../../src/tensorflow/index.js';

const shape = [2, 1, 1, 4];
const x = float32(shape, Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8));
const t = float32([2], Float32Array.of(0.2, 0.8));

describe('guidedField', () => {
  const guided = (guidance: Parameters<typeof guidedField>[0]) =>
    runEagerly(
      ({ x, t }) => ({
        value: guidedField(
          guidance,
          (at) => tf.mul(at, 10),
          (at) => tf.mul(at, 8),
        )(x!, t!),
      }),
      { x, t },
    ).value;

  it('moves the first channels away from the base and leaves the others', () => {
    expect(guided({ scale: 2.5, channels: 3 })).toBeAllclose({
      shape,
      data: [13, 26, 39, 40, 65, 78, 91, 80],
    });
  });

  it('moves all channels where asked', () => {
    expect(guided({ scale: 2.5, channels: 'all' })).toBeAllclose({
      shape,
      data: [13, 26, 39, 52, 65, 78, 91, 104],
    });
  });

  it('acts on the samples whose time lies in the interval', () => {
    expect(guided({ scale: 2.5, channels: 3, interval: [0.8, 1] })).toBeAllclose({
      shape,
      data: [10, 20, 30, 40, 65, 78, 91, 80],
    });
  });
});

it('classifierFreeField asks the model once, for the labels and for none', () => {
  let calls = 0;
  const { value } = runEagerly(
    ({ x, t, labels, none }) => ({
      value: classifierFreeField(
        { scale: 3, channels: 'all' },
        (at, _t, classes) => {
          calls++;
          return tf.mul(at, classes.toFloat().reshape([classes.size, 1, 1, 1]));
        },
        labels!,
        none!,
      )(x!, t!),
    }),
    { x, t, labels: int32([2], Int32Array.of(1, 2)), none: int32([2], Int32Array.of(7, 7)) },
  );
  expect(calls).toBe(1);
  // 7 + 3·(label - 7)
  const factors = [-11, -8];
  expect(value).toBeAllclose({ shape, data: Array.from(x.data, (v, i) => v * factors[i >> 2]!) });
});

it('guides tells whether a step needs the guided model', () => {
  const guidance = { scale: 2, channels: 3, interval: [0.3, 0.5] } as const;
  expect(guides(guidance, 0.1, 0.1)).toBe(false);
  expect(guides(guidance, 0.25, 0.1)).toBe(true);
  expect(guides(guidance, 0.6, -0.2)).toBe(true);
  expect(guides(guidance, 0.55, 0.1)).toBe(false);
  expect(guides({ scale: 1, channels: 3 }, 0.4, 0.1)).toBe(false);
  expect(guides({ scale: 2, channels: 3 }, 0.9, 0.1)).toBe(true);
});
