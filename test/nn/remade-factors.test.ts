import { expect, it } from 'vitest';
import { geluLinear, linear, product } from '../../src/nn/layers.js';
import { adaLayerNorm } from '../../src/nn/norms.js';
import { modulatedLinear, modulatedMlp } from '../../src/nn/remade-factors.js';
import type { Tensor } from '../../src/tensorflow/index.js';
import { fusedGradients, numbers } from './fused-gradients.js';

const shapes = {
  ...{ x: [2, 5, 8], shift: [2, 1, 8], scale: [2, 1, 8] },
  ...{ w1: [8, 12], b1: [12], w2: [12, 8] },
} as const;
const inputs = Object.fromEntries(
  Object.entries(shapes).map(([name, shape], i) => [name, numbers(shape, i + 1)]),
);

type Layers = (x: Tensor, shift: Tensor, scale: Tensor, w1: Tensor, b1: Tensor, w2: Tensor) => Tensor;

const remade: Layers = (x, shift, scale, w1, b1, w2) =>
  modulatedMlp(x, [shift, scale], { weight: w1, bias: b1 }, w2).add(
    product(modulatedLinear(x, [shift, scale], w1, b1), w2),
  );
const kept: Layers = (x, shift, scale, w1, b1, w2) => {
  const norm = adaLayerNorm(x, shift, scale);
  return product(geluLinear(norm, w1, b1), w2).add(product(linear(norm, w1, b1), w2));
};

const results = (layers: Layers, fusion: boolean) =>
  fusedGradients(layers, inputs, numbers([2, 5, 8], 7), fusion);

it('makes factors again in the gradient where functions are fused, and gives what keeping them gives', async () => {
  const expected = await results(kept, true);
  const found = await results(remade, true);
  expect(found.value).toBeAllclose(expected.value, { absolute: 1e-5 });
  expect(found.gradients).toBeAllclose(expected.gradients, { absolute: 1e-4 });
  const count = (name: string) => found.operations.filter((operation) => operation === name).length;
  expect([count('gelu_again'), count('ada_norm_again'), count('gelu_gradient')]).toEqual([1, 2, 0]);
  expect(expected.operations).not.toContain('gelu_again');
}, 60_000);

it('keeps them where nothing is fused', async () => {
  const found = await results(
    (x, shift, scale, w1, b1, w2) => product(modulatedLinear(x, [shift, scale], w1, b1), w2),
    false,
  );
  // The factor is kept: it is computed once, and so is its norm.
  expect(found.operations.filter((operation) => operation === 'Rsqrt')).toHaveLength(1);
}, 60_000);
