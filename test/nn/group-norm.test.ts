import { expect, it } from 'vitest';
import { groupNorm, siluOfGroupNorm } from '../../src/nn/norms.js';
import type { Tensor } from '../../src/tensorflow/index.js';
import { fusedGradients, numbers } from './fused-gradients.js';

const shape = [2, 4, 6, 12] as const;
const inputs = { x: numbers(shape, 1), gain: numbers([12], 2), offset: numbers([12], 3) };

/** Both norms, one after the other. */
const norms = (x: Tensor, gain: Tensor, offset: Tensor): Tensor =>
  groupNorm(siluOfGroupNorm(x, gain, offset, 3), gain, offset, 4);

it('gives the same value and gradients as one operation each and one by one', async () => {
  const results = (fusion: boolean) => fusedGradients(norms, inputs, numbers(shape, 4), fusion);
  const [fused, single] = [await results(true), await results(false)];
  expect(fused.value).toBeAllclose(single.value, { absolute: 1e-5 });
  expect(fused.gradients).toBeAllclose(single.gradients, { absolute: 2e-5 });
  const count = (name: string) => fused.operations.filter((operation) => operation === name).length;
  expect(
    ['group_norm', 'group_norm_gradient', 'silu_of_group_norm_gradient', 'Sigmoid', 'Mean'].map(count),
  ).toEqual([2, 2, 1, 0, 0]);
  expect(single.operations).toContain('Sigmoid');
}, 60_000);
