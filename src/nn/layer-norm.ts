import type { Tensor } from '../tensorflow/index.js';
import { differentiable } from './differentiable.js';

const epsilon = 1e-6;

/**
 * Layer norm without learned scale, then adaptive modulation: norm(x)·(1 + scale) + shift.
 *
 * `x` is [batch, tokens, channels]; `shift` and `scale` are [batch, 1, channels]. The gradient keeps the
 * normalised x, the inverse deviation and 1 + scale.
 * Source: Perez et al., arXiv 1709.07871; Peebles and Xie, arXiv 2212.09748.
 */
export const adaLayerNorm = differentiable((x: Tensor, shift: Tensor, scale: Tensor) => {
  // Written so that TensorFlow's layer-norm fusion, which wants one-dimensional scales, does not match it.
  const centred = x.sub(x.mean(-1, true));
  const inverse = centred.square().mean(-1, true).add(epsilon).rsqrt();
  const norm = centred.mul(inverse);
  const gain = scale.add(1);
  return {
    value: norm.mul(gain).add(shift),
    saved: [norm, inverse, gain],
    gradient: (dy: Tensor, saved: Tensor[]) => {
      const [norm, inverse, gain] = saved as [Tensor, Tensor, Tensor];
      const dNorm = dy.mul(gain);
      const along = dNorm.mul(norm).mean(-1, true);
      const dx = inverse.mul(dNorm.sub(dNorm.mean(-1, true)).sub(norm.mul(along)));
      return [dx, dy.sum(1, true), dy.mul(norm).sum(1, true)];
    },
  };
});
