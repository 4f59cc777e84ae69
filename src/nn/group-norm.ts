import { type Tensor, tf } from '../tensorflow/index.js';
import { differentiable } from './differentiable.js';

const epsilon = 1e-6;

/**
 * Group norm over [batch, height, width, channels] with learned gain and offset [channels].
 * The gradient keeps x and, per group, its mean and inverse deviation. Source: Wu and He, arXiv 1803.08494.
 */
export function groupNorm(x: Tensor, gain: Tensor, offset: Tensor, groups: number): Tensor {
  return normOf(groups)(x, gain, offset);
}

const normOf = (groups: number) =>
  differentiable((x: Tensor, gain: Tensor, offset: Tensor) => {
    const mean = groupMean(x, groups);
    const inverse = groupMean(tf.squaredDifference(x, mean), groups).add(epsilon).rsqrt();
    const scale = inverse.mul(gain);
    return {
      value: x.mul(scale).add(offset.sub(mean.mul(scale))),
      saved: [x, mean, inverse, gain],
      gradient: (dy: Tensor, saved: Tensor[]) => {
        const [x, mean, inverse, gain] = saved as [Tensor, Tensor, Tensor, Tensor];
        const norm = x.sub(mean).mul(inverse);
        const dGain = dy.mul(norm);
        const scale = inverse.mul(gain);
        // Means of gain·dy and gain·dy·norm over each group, as factors of a map that is linear in dy and norm.
        const offsetPart = groupMean(dy, groups, gain).mul(inverse);
        const slopePart = groupMean(dGain, groups, gain).mul(inverse);
        const dx = dy.mul(scale).sub(offsetPart).sub(norm.mul(slopePart));
        return [dx, dGain.sum([0, 1, 2]), dy.sum([0, 1, 2])];
      },
    };
  });

/**
 * Means over pixels and the channels of each group, optionally of `weight`·x: [batch, 1, 1, channels], equal
 * within a group. Sums over pixels first, which leaves little to do for the groups.
 */
function groupMean(x: Tensor, groups: number, weight?: Tensor): Tensor {
  const [batch, height, width, channels] = x.shape as [number, number, number, number];
  const perChannel = x.reshape([batch, height * width, channels]).mean(1);
  const weighted = weight === undefined ? perChannel : perChannel.mul(weight);
  const size = channels / groups;
  const means = weighted.reshape([batch, groups, size]).mean(2, true);
  return tf.tile(means, [1, 1, size]).reshape([batch, 1, 1, channels]);
}
