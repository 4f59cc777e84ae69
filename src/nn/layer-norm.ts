import { type Tensor, asFactor, fused } from '../tensorflow/index.js';
import { differentiable } from './differentiable.js';

const epsilon = 1e-6;
const learnedEpsilon = 1e-5;

/**
 * Layer norm without learned scale, then adaptive modulation: norm(x)·(1 + scale) + shift.
 *
 * `x` is [batch, tokens, channels]; `shift` and `scale` are [batch, 1, channels]. The gradient keeps x, the scale,
 * and each token's mean and inverse deviation.
 * Source: Perez et al., arXiv 1709.07871; Peebles and Xie, arXiv 2212.09748.
 */
export const adaLayerNorm = differentiable((x: Tensor, shift: Tensor, scale: Tensor) => {
  const [value, mean, inverse] = adaNorm(x, shift, scale);
  return {
    value,
    saved: [x, mean, inverse, scale],
    gradient: (dy: Tensor, saved: Tensor[]) => {
      const [x, mean, inverse, scale] = saved as [Tensor, Tensor, Tensor, Tensor];
      return [...adaNormGradient(dy, x, mean, inverse, scale)];
    },
  };
});

const adaNorm = fused('ada_norm', (x: Tensor, shift: Tensor, scale: Tensor) => {
  const mean = x.mean(-1, true);
  // Written so that TensorFlow's layer-norm fusion, which wants one-dimensional scales, does not match it.
  const centred = x.sub(mean);
  const inverse = centred.square().mean(-1, true).add(epsilon).rsqrt();
  return [asFactor(centred.mul(inverse).mul(scale.add(1)).add(shift)), mean, inverse] as const;
});

const adaNormGradient = fused(
  'ada_norm_gradient',
  (dy: Tensor, x: Tensor, mean: Tensor, inverse: Tensor, scale: Tensor) => {
    const norm = x.sub(mean).mul(inverse);
    const dx = backward(dy.mul(scale.add(1)), norm, inverse);
    return [dx, dy.sum(1, true), dy.mul(norm).sum(1, true)] as const;
  },
);

/**
 * Layer norm along the last axis with a learned scale and offset: norm(x)·weight + bias.
 *
 * `x` is [..., channels]; `weight` and `bias` are [channels]. The gradient keeps the normalised x, the inverse
 * deviation and the weight. Source: Ba et al., arXiv 1607.06450; ε as PyTorch's `LayerNorm` has it.
 */
export const layerNorm = differentiable((x: Tensor, weight: Tensor, bias: Tensor) => {
  const centred = x.sub(x.mean(-1, true));
  const inverse = centred.square().mean(-1, true).add(learnedEpsilon).rsqrt();
  const norm = centred.mul(inverse);
  return {
    value: norm.mul(weight).add(bias),
    saved: [norm, inverse, weight],
    gradient: (dy: Tensor, saved: Tensor[]) => {
      const [norm, inverse, weight] = saved as [Tensor, Tensor, Tensor];
      const others = dy.shape.map((_, axis) => axis).slice(0, -1);
      return [backward(dy.mul(weight), norm, inverse), dy.mul(norm).sum(others), dy.sum(others)];
    },
  };
});

/** The gradient by x of a norm, from the gradient by its normalised value. */
function backward(dNorm: Tensor, norm: Tensor, inverse: Tensor): Tensor {
  const along = dNorm.mul(norm).mean(-1, true);
  return inverse.mul(dNorm.sub(dNorm.mean(-1, true)).sub(norm.mul(along)));
}
