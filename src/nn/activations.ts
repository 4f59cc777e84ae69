import { type Tensor, tf } from '../tensorflow/index.js';
import { differentiable } from './differentiable.js';

/** x·sigmoid(x), elementwise. The gradient keeps only x. Source: Ramachandran et al., arXiv 1710.05941. */
export const silu = differentiable((x: Tensor) => ({
  value: x.mul(x.sigmoid()),
  saved: [x],
  gradient: (dy: Tensor, saved: Tensor[]) => {
    const [x] = saved as [Tensor];
    const s = x.sigmoid();
    // s + x·s·(1 − s)
    return dy.mul(s.add(x.mul(s.sub(s.square()))));
  },
}));

const c = Math.sqrt(2 / Math.PI);
const cubic = 0.044715;

/**
 * GELU in its tanh form: x/2 · (1 + tanh(√(2/π)·(x + 0.044715·x³))), elementwise.
 * The gradient keeps x and the tanh. Source: Hendrycks and Gimpel, arXiv 1606.08415.
 */
export const gelu = differentiable((x: Tensor) => {
  const tanh = x
    .mul(
      x
        .square()
        .mul(c * cubic)
        .add(c),
    )
    .tanh();
  return {
    value: x.mul(tanh.mul(0.5).add(0.5)),
    saved: [x, tanh],
    gradient: (dy: Tensor, saved: Tensor[]) => {
      const [x, tanh] = saved as [Tensor, Tensor];
      const inner = x
        .square()
        .mul(3 * cubic * c)
        .add(c);
      const slope = tf.sub(1, tanh.square()).mul(x).mul(inner);
      return dy.mul(slope.add(tanh).mul(0.5).add(0.5));
    },
  };
});
