import { sumOfRows } from '../../nn/activations.js';
import { differentiable } from '../../nn/differentiable.js';
import { asFactor, fused, type Tensor, tf } from '../../tensorflow/index.js';

/** The values among queries, keys and values side by side: [batch, tokens, 3 · channels] → [batch, tokens, channels]. */
export function firstValues(qkv: Tensor): Tensor {
  const [batch, tokens, all] = qkv.shape as [number, number, number];
  return qkv.slice([0, 0, (2 * all) / 3], [batch, tokens, all / 3]);
}

/**
 * Queries, keys and values side by side, [batch, tokens, 3 · channels], the values mixed with those of the first block:
 * v + share·(first − v). The gradient keeps the difference and the share.
 *
 * @param first [batch, tokens, channels]
 * @param share a scalar
 * Source: Zhou et al., "Value Residual Learning", arXiv 2410.17897; one share a block as in SpeedrunDiT's attention.
 */
export const withFirstValues = differentiable((qkv: Tensor, first: Tensor, share: Tensor) => {
  const [value, difference] = mixed(qkv, first, share);
  return {
    value,
    saved: [difference, share],
    gradient: (dy: Tensor, saved: Tensor[]) => {
      const [difference, share] = saved as [Tensor, Tensor];
      const [dQkv, dFirst, product] = mixedGradient(dy, difference, share);
      return [dQkv, dFirst, sumOfRows(product).sum()];
    },
  };
});

const mixed = fused(
  'value_residual',
  (qkv: Tensor, first: Tensor, share: Tensor) => {
    const [q, k, v] = tf.split(qkv, 3, -1) as [Tensor, Tensor, Tensor];
    const difference = first.sub(v);
    return [asFactor(tf.concat([q, k, v.add(difference.mul(share))], -1)), asFactor(difference)] as const;
  },
  { takesHalf: true },
);

const mixedGradient = fused(
  'value_residual_gradient',
  (dy: Tensor, difference: Tensor, share: Tensor) => {
    const [dq, dk, dv] = tf.split(dy, 3, -1) as [Tensor, Tensor, Tensor];
    const dFirst = dv.mul(share);
    return [tf.concat([dq, dk, dv.sub(dFirst)], -1), dFirst, dv.mul(difference)] as const;
  },
  { takesHalf: true },
);
