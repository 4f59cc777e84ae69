import { type Tensor, asFactor, fused } from '../tensorflow/index.js';
import { differentiable } from './differentiable.js';
import { sumOfRows } from './reductions.js';

/**
 * A branch's biased result, gated and added to the trunk: h + gate·(x + bias).
 *
 * `h` and `x` are [batch, tokens, channels], `gate` is [batch, 1, channels], `bias` [channels]. The gradient keeps
 * the gate, x and the bias. Source: Peebles and Xie, arXiv 2212.09748.
 */
export const gatedResidual = differentiable((h: Tensor, gate: Tensor, x: Tensor, bias: Tensor) => ({
  value: gatedSum(h, gate, x, bias)[0],
  saved: [gate, x, bias],
  gradient: (dy: Tensor, saved: Tensor[]) => {
    const [gate, x, bias] = saved as [Tensor, Tensor, Tensor];
    const [dGate, dx] = gatedGradient(dy, gate, x, bias);
    return [dy, dGate, dx, sumOfRows(dx)];
  },
}));

const gatedSum = fused(
  'gated_residual',
  (h: Tensor, gate: Tensor, x: Tensor, bias: Tensor) => [h.add(gate.mul(x.add(bias)))] as const,
  { elementwise: true },
);

const gatedGradient = fused(
  'gated_residual_gradient',
  (dy: Tensor, gate: Tensor, x: Tensor, bias: Tensor) =>
    [dy.mul(x.add(bias)).sum(1, true), asFactor(dy.mul(gate))] as const,
);
