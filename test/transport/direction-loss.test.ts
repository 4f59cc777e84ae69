import { beforeAll, expect, it } from 'vitest';
import {
  floats,
  nativeBackend,
  runEagerly,
  type Tensor,
  type Tensors,
  tf,
} from '../../src/tensorflow/index.js';
import { directionLoss, transportOf } from '../../src/transport/index.js';
import { hostOf, methodFixture, type Numbers } from '../support/method-fixture.js';

type Expected = Readonly<
  Record<'data' | 'noise' | 't' | 'output' | 'weights' | 'losses' | 'gradient', Numbers>
>;
const { direction } = methodFixture() as {
  readonly direction: Expected;
};
const { interpolant } = transportOf({ interpolant: 'linear', prediction: 'velocity' });

beforeAll(() => {
  nativeBackend();
});

/** Losses of an output, and the gradient of their weighed sum. */
function lossesOf(output: Numbers, shift?: Numbers) {
  const { data, noise, t, weights } = direction;
  const program = ({ output, weights, shift, ...point }: Tensors) => {
    const losses = (output: Tensor) =>
      directionLoss(interpolant, output, point as Record<'data' | 'noise' | 't', Tensor>, shift);
    const { grads } = tf.valueAndGrads((output: Tensor) => losses(output).mul(weights!).sum().asScalar())([
      output!,
    ]);
    return { losses: losses(output!), gradient: grads[0]! };
  };
  return runEagerly(program, {
    ...{
      data: hostOf(data),
      noise: hostOf(noise),
      t: hostOf(t),
      weights: hostOf(weights),
      output: hostOf(output),
    },
    ...(shift && { shift: hostOf(shift) }),
  });
}

it('has the losses and the gradient that PyTorch has', () => {
  const { losses, gradient } = lossesOf(direction.output);
  expect(losses).toBeAllclose(direction.losses);
  expect(gradient).toBeAllclose(direction.gradient);
});

it('compares with the moved target where there is a shift', () => {
  const { data, noise } = direction;
  const target = data.data.map((value, i) => value - noise.data[i]!);
  const shape = data.shape;
  const shift = target.map((value, i) => Math.sin(i) - value);
  const { losses } = lossesOf({ shape, data: target.map((_, i) => 3 * Math.sin(i)) }, { shape, data: shift });
  expect(losses).toBeAllclose({ shape: losses.shape, data: losses.data.map(() => 0) }, { absolute: 1e-6 });
});

it('is 1 for an output of zero, whose gradient is bounded and points to the velocity', () => {
  const { data, noise, weights } = direction;
  const { losses, gradient } = lossesOf({ ...data, data: data.data.map(() => 0) });
  expect([...floats(losses)]).toEqual([1, 1]);
  const channels = data.shape.at(-1)!;
  const places = data.data.length / channels / 2;
  const target = data.data.map((value, i) => value - noise.data[i]!);
  const expected = target.map((value, i) => {
    const place = Math.floor(i / channels);
    const square = target.slice(channels * place, channels * (place + 1)).reduce((sum, x) => sum + x * x, 0);
    return (-weights.data[Math.floor(place / places)]! * value) / (places * 0.1 * square);
  });
  expect([...floats(gradient)]).toBeAllclose(expected);
});
