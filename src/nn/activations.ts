import { asFactor, fused, softmaxAsFactor, type Tensor, tf } from '../tensorflow/index.js';
import { differentiable } from './differentiable.js';

/** x·sigmoid(x), elementwise. The gradient keeps only x. Source: Ramachandran et al., arXiv 1710.05941. */
export const silu = differentiable((x: Tensor) => ({
  value: x.mul(x.sigmoid()),
  saved: [x],
  gradient: (dy: Tensor, saved: Tensor[]) => {
    const [x] = saved as [Tensor];
    return dy.mul(siluSlope(x));
  },
}));

/** The derivative of `silu` at x, s + x·s·(1 − s) of its sigmoid s. */
export function siluSlope(x: Tensor, s = x.sigmoid()): Tensor {
  return s.add(x.mul(s.sub(s.square())));
}

/**
 * SwiGLU of x + bias, whose last axis holds gates and then as many values: silu(gates)·values,
 * [rows, 2 · width] → [rows, width]. `bias` is [2 · width]. The gradient keeps x and the bias.
 * Source: Shazeer, arXiv 2002.05202.
 */
export const biasedSwiGlu = differentiable((x: Tensor, bias: Tensor) => ({
  value: swiGluValue(x, bias)[0],
  saved: [x, bias],
  gradient: (dy: Tensor, saved: Tensor[]) => {
    const [x, bias] = saved as [Tensor, Tensor];
    const [dx] = swiGluGradient(dy, x, bias);
    return [dx, sumOfRows(dx)];
  },
}));

const swiGluValue = fused(
  'swiglu',
  (x: Tensor, bias: Tensor) => {
    const [gates, values] = tf.split(x.add(bias), 2, -1) as [Tensor, Tensor];
    return [asFactor(gates.mul(gates.sigmoid()).mul(values))] as const;
  },
  { takesHalf: true },
);

const swiGluGradient = fused(
  'swiglu_gradient',
  (dy: Tensor, x: Tensor, bias: Tensor) => {
    const [gates, values] = tf.split(x.add(bias), 2, -1) as [Tensor, Tensor];
    const s = gates.sigmoid();
    return [
      asFactor(tf.concat([dy.mul(values).mul(siluSlope(gates, s)), dy.mul(gates.mul(s))], -1)),
    ] as const;
  },
  { takesHalf: true },
);

const c = Math.sqrt(2 / Math.PI);
const cubic = 0.044715;

/**
 * GELU in its tanh form, of x + bias: u/2 · (1 + tanh(√(2/π)·(u + 0.044715·u³))), elementwise.
 * `bias` belongs to the last axis. The gradient keeps x and the bias. Source: Hendrycks and Gimpel, arXiv 1606.08415.
 */
export const biasedGelu = differentiable((x: Tensor, bias: Tensor) => ({
  value: geluValue(x, bias)[0],
  saved: [x, bias],
  gradient: (dy: Tensor, saved: Tensor[]) => {
    const [x, bias] = saved as [Tensor, Tensor];
    const [dx] = geluGradient(dy, x, bias);
    return [dx, sumOfRows(dx)];
  },
}));

/** `biasedGelu` without a gradient. */
export const geluValue = fused(
  'gelu',
  (x: Tensor, bias: Tensor) => {
    const u = x.add(bias);
    return [asFactor(u.mul(geluTanh(u).mul(0.5).add(0.5)))] as const;
  },
  { takesHalf: true },
);

const geluGradient = fused(
  'gelu_gradient',
  (dy: Tensor, x: Tensor, bias: Tensor) => {
    const u = x.add(bias);
    return [slopeOf(dy, u, geluTanh(u))] as const;
  },
  { takesHalf: true },
);

/** The gradient by x of `biasedGelu`, and its value, made of what that is made of. */
export const geluAgain = fused(
  'gelu_again',
  (dy: Tensor, x: Tensor, bias: Tensor) => {
    const u = x.add(bias);
    const tanh = geluTanh(u);
    return [slopeOf(dy, u, tanh), asFactor(u.mul(tanh.mul(0.5).add(0.5)))] as const;
  },
  { takesHalf: true },
);

function slopeOf(dy: Tensor, u: Tensor, tanh: Tensor): Tensor {
  const inner = u
    .square()
    .mul(3 * cubic * c)
    .add(c);
  const slope = tf.sub(1, tanh.square()).mul(u).mul(inner);
  return asFactor(dy.mul(slope.add(tanh).mul(0.5).add(0.5)));
}

function geluTanh(u: Tensor): Tensor {
  return u
    .mul(
      u
        .square()
        .mul(c * cubic)
        .add(c),
    )
    .tanh();
}

/**
 * Softmax over the last axis of x, or of x + bias, of which products are made. No gradient of its own:
 * `softmaxGradient` is it.
 */
export function softmax(x: Tensor, bias?: Tensor): Tensor {
  const known = softmaxAsFactor(() => (bias === undefined ? x : biasedScores(x, bias)[0]));
  return known ?? (bias === undefined ? asFactor(tf.softmax(x)) : biased(x, bias)[0]);
}

const biasedScores = fused('biased_scores', (x: Tensor, bias: Tensor) => [asFactor(x.add(bias))] as const, {
  takesHalf: true,
});

const biased = fused(
  'biased_softmax',
  (x: Tensor, bias: Tensor) => [asFactor(tf.softmax(x.add(bias)))] as const,
);

/** The gradient by a softmax's argument, over the last axis, from the softmax's value y and the gradient by it. */
export function softmaxGradient(dy: Tensor, y: Tensor): Tensor {
  return gradient(dy, y)[0];
}

const gradient = fused(
  'softmax_gradient',
  (dy: Tensor, y: Tensor) => [asFactor(dy.sub(dy.mul(y).sum(-1, true)).mul(y))] as const,
  { takesHalf: true },
);

/** Sums over all axes but the last: [..., channels] → [channels]. No gradient of its own. */
export function sumOfRows(x: Tensor): Tensor {
  return columnSums(x.reshape([-1, x.shape.at(-1)!]))[0];
}

const columnSums = fused('sum_of_rows', (x: Tensor) => [x.sum(0)] as const, { takesHalf: true });
