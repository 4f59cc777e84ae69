import { beforeAll, expect, it } from 'vitest';
import { gelu, silu } from '../../src/nn/activations.js';
import { groupNorm } from '../../src/nn/group-norm.js';
import { adaLayerNorm, layerNorm } from '../../src/nn/layer-norm.js';
import { type Tensor, nativeBackend, tf } from '../../src/tensorflow/index.js';

beforeAll(() => {
  nativeBackend();
});

type Layer = (...inputs: Tensor[]) => Tensor;

/** The same layers written plainly, whose gradients tfjs derives by itself. */
const plain: Readonly<Record<string, readonly [Layer, Layer, readonly (readonly number[])[]]>> = {
  silu: [silu, (x) => x.mul(x.sigmoid()), [[3, 5]]],
  gelu: [
    gelu,
    (x) =>
      x.mul(0.5).mul(
        tf.add(
          1,
          x
            .add(x.pow(3).mul(0.044715))
            .mul(Math.sqrt(2 / Math.PI))
            .tanh(),
        ),
      ),
    [[3, 5]],
  ],
  adaLayerNorm: [
    adaLayerNorm,
    (x, shift, scale) => {
      const { mean, variance } = tf.moments(x, -1, true);
      return x.sub(mean).div(variance.add(1e-6).sqrt()).mul(scale.add(1)).add(shift);
    },
    [
      [2, 4, 6],
      [2, 1, 6],
      [2, 1, 6],
    ],
  ],
  layerNorm: [
    layerNorm,
    (x, weight, bias) => {
      const { mean, variance } = tf.moments(x, -1, true);
      return x.sub(mean).div(variance.add(1e-5).sqrt()).mul(weight).add(bias);
    },
    [[2, 4, 3, 6], [6], [6]],
  ],
  groupNorm: [
    (x, gain, offset) => groupNorm(x, gain, offset, 3),
    (x, gain, offset) => {
      const grouped = x.reshape([2, 12, 3, 2]);
      const { mean, variance } = tf.moments(grouped, [1, 3], true);
      const norm = grouped.sub(mean).div(variance.add(1e-6).sqrt()).reshape([2, 4, 3, 6]);
      return norm.mul(gain).add(offset);
    },
    [[2, 4, 3, 6], [6], [6]],
  ],
};

it.each(Object.entries(plain))(
  '%s has the value and the gradient of its plain formula',
  (_, [layer, formula, shapes]) => {
    const inputs = shapes.map((shape, i) => tf.randomNormal([...shape], 0.5, 1.5, 'float32', i + 1));
    const weights = tf.randomNormal(layer(...inputs).shape, 0, 1, 'float32', 9);
    const gradients = (f: Layer) =>
      tf.grads((...all: Tensor[]) =>
        f(...all)
          .mul(weights)
          .sum(),
      )(inputs);
    // Float32 sums of some tens of numbers of order 1.
    expect(layer(...inputs).dataSync()).toBeAllclose(formula(...inputs).dataSync(), { absolute: 2e-6 });
    const [own, derived] = [gradients(layer), gradients(formula)];
    own.forEach((gradient, i) => {
      expect(gradient.dataSync()).toBeAllclose(derived[i]!.dataSync(), { absolute: 2e-5 });
    });
  },
);
