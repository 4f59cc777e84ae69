import { asFactor, fused, normalizedRows, type Tensor, tf } from '../tensorflow/index.js';
import { siluSlope } from './activations.js';
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
export function adaLayerNorm(x: Tensor, shift: Tensor, scale: Tensor): Tensor {
  const norm = normalizedRows(x, epsilon);
  return norm === undefined ? adaLayerNormWithGradient(x, shift, scale) : modulated(norm, shift, scale)[0];
}

const modulated = fused(
  'modulated',
  (norm: Tensor, shift: Tensor, scale: Tensor) => [asFactor(norm.mul(scale.add(1)).add(shift))] as const,
  { takesHalf: true },
);

const adaLayerNormWithGradient = differentiable((x: Tensor, shift: Tensor, scale: Tensor) => {
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

/** `adaLayerNorm`, with what its gradient needs: each token's mean and inverse deviation. */
export const adaNorm = fused('ada_norm', (x: Tensor, shift: Tensor, scale: Tensor) => {
  const mean = x.mean(-1, true);
  // Written so that TensorFlow's layer-norm fusion, which wants one-dimensional scales, does not match it.
  const centred = x.sub(mean);
  const inverse = centred.square().mean(-1, true).add(epsilon).rsqrt();
  return [asFactor(centred.mul(inverse).mul(scale.add(1)).add(shift)), mean, inverse] as const;
});

const adaNormGradient = fused(
  'ada_norm_gradient',
  (dy: Tensor, x: Tensor, mean: Tensor, inverse: Tensor, scale: Tensor) =>
    adaNormGradients(dy, x, mean, inverse, scale),
  { takesHalf: true },
);

/** The gradients of `adaNorm`'s first result by x, shift and scale, and that result, made of what they are made of. */
export const adaNormAgain = fused(
  'ada_norm_again',
  (dy: Tensor, x: Tensor, mean: Tensor, inverse: Tensor, scale: Tensor, shift: Tensor) => {
    const value = asFactor(x.sub(mean).mul(inverse).mul(scale.add(1)).add(shift));
    return [...adaNormGradients(dy, x, mean, inverse, scale), value] as const;
  },
  { takesHalf: true },
);

function adaNormGradients(dy: Tensor, x: Tensor, mean: Tensor, inverse: Tensor, scale: Tensor) {
  const norm = x.sub(mean).mul(inverse);
  const dx = backward(dy.mul(scale.add(1)), norm, inverse);
  return [dx, dy.sum(1, true), dy.mul(norm).sum(1, true)] as const;
}

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

/**
 * Norm of the root mean square without learned scale, then adaptive modulation: norm(x)·factor + shift.
 *
 * `x` is [batch, tokens, channels]; `shift` and `factor` are [batch, 1, channels]. The gradient keeps x, the factor and
 * each token's inverse root mean square. Source: Zhang and Sennrich, arXiv 1910.07467; ε as LightningDiT has it.
 */
export const adaRmsNorm = differentiable((x: Tensor, shift: Tensor, factor: Tensor) => {
  const [value, inverse] = adaRms(x, shift, factor);
  return {
    value,
    saved: [x, inverse, factor],
    gradient: (dy: Tensor, saved: Tensor[]) => {
      const [x, inverse, factor] = saved as [Tensor, Tensor, Tensor];
      return [...adaRmsGradient(dy, x, inverse, factor)];
    },
  };
});

const adaRms = fused('ada_rms_norm', (x: Tensor, shift: Tensor, factor: Tensor) => {
  const inverse = inverseRms(x);
  return [asFactor(x.mul(inverse).mul(factor).add(shift)), inverse] as const;
});

const adaRmsGradient = fused(
  'ada_rms_norm_gradient',
  (dy: Tensor, x: Tensor, inverse: Tensor, factor: Tensor) => {
    const norm = x.mul(inverse);
    const dx = rmsBackward(dy.mul(factor), norm, inverse);
    return [dx, dy.sum(1, true), dy.mul(norm).sum(1, true)] as const;
  },
  { takesHalf: true },
);

/** Norm of the root mean square along the last axis with a learned scale [channels]: norm(x)·weight. */
export const rmsNorm = differentiable((x: Tensor, weight: Tensor) => {
  const inverse = inverseRms(x);
  const norm = x.mul(inverse);
  return {
    value: norm.mul(weight),
    saved: [norm, inverse, weight],
    gradient: (dy: Tensor, saved: Tensor[]) => {
      const [norm, inverse, weight] = saved as [Tensor, Tensor, Tensor];
      const others = dy.shape.map((_, axis) => axis).slice(0, -1);
      return [rmsBackward(dy.mul(weight), norm, inverse), dy.mul(norm).sum(others)];
    },
  };
});

function inverseRms(x: Tensor): Tensor {
  return x.square().mean(-1, true).add(epsilon).rsqrt();
}

/** The gradient by x of a norm of the root mean square, from the gradient by its normalised value. */
function rmsBackward(dNorm: Tensor, norm: Tensor, inverse: Tensor): Tensor {
  return inverse.mul(dNorm.sub(norm.mul(dNorm.mul(norm).mean(-1, true))));
}

/** The gradient by x of a norm, from the gradient by its normalised value. */
function backward(dNorm: Tensor, norm: Tensor, inverse: Tensor): Tensor {
  const along = dNorm.mul(norm).mean(-1, true);
  return inverse.mul(dNorm.sub(dNorm.mean(-1, true)).sub(norm.mul(along)));
}

const groupEpsilon = 1e-6;

/**
 * Group norm over [batch, height, width, channels] with learned gain and offset [channels].
 * The gradient keeps x and, per group, its mean and inverse deviation. Source: Wu and He, arXiv 1803.08494.
 */
export function groupNorm(x: Tensor, gain: Tensor, offset: Tensor, groups: number): Tensor {
  return normOf(groups, false)(x, gain, offset);
}

/** SiLU of `groupNorm`. The gradient keeps what that of the norm keeps, and computes the rest again. */
export function siluOfGroupNorm(x: Tensor, gain: Tensor, offset: Tensor, groups: number): Tensor {
  return normOf(groups, true)(x, gain, offset);
}

const normOf = (groups: number, activated: boolean) =>
  differentiable((x: Tensor, gain: Tensor, offset: Tensor) => {
    const [value, mean, inverse] = groupNormValue(x, gain, offset, groups, activated);
    return {
      value,
      saved: [x, mean, inverse, gain, offset],
      gradient: (dy: Tensor, saved: Tensor[]) => {
        const [x, mean, inverse, gain, offset] = saved as [Tensor, Tensor, Tensor, Tensor, Tensor];
        const [dNorm] = activated ? siluGradient(dy, x, mean, inverse, gain, offset) : [dy];
        return [...groupNormGradient(dNorm, x, mean, inverse, gain, groups)];
      },
    };
  });

const groupNormValue = fused(
  'group_norm',
  (x: Tensor, gain: Tensor, offset: Tensor, groups: number, activated: boolean) => {
    const mean = groupMean(x, groups);
    const inverse = groupMean(tf.squaredDifference(x, mean), groups).add(groupEpsilon).rsqrt();
    const scale = inverse.mul(gain);
    const norm = x.mul(scale).add(offset.sub(mean.mul(scale)));
    return [activated ? norm.mul(norm.sigmoid()) : norm, mean, inverse] as const;
  },
);

const groupNormGradient = fused(
  'group_norm_gradient',
  (dy: Tensor, x: Tensor, mean: Tensor, inverse: Tensor, gain: Tensor, groups: number) => {
    const norm = x.sub(mean).mul(inverse);
    const [offsets, gains] = [channelMean(dy), channelMean(dy.mul(norm))];
    // Means of gain·dy and gain·dy·norm over each group, as factors of a map that is linear in dy and norm.
    const offsetPart = meanOfGroups(offsets.mul(gain), groups).mul(inverse);
    const slopePart = meanOfGroups(gains.mul(gain), groups).mul(inverse);
    const dx = dy.mul(inverse.mul(gain)).sub(offsetPart).sub(norm.mul(slopePart));
    const pixels = x.shape[1]! * x.shape[2]!;
    return [dx, gains.sum(0).mul(pixels), offsets.sum(0).mul(pixels)] as const;
  },
);

const siluGradient = fused(
  'silu_of_group_norm_gradient',
  (dy: Tensor, x: Tensor, mean: Tensor, inverse: Tensor, gain: Tensor, offset: Tensor) => {
    const scale = inverse.mul(gain);
    return [dy.mul(siluSlope(x.mul(scale).add(offset.sub(mean.mul(scale)))))] as const;
  },
);

/** Means over pixels and the channels of each group: [batch, 1, 1, channels], equal within a group. */
function groupMean(x: Tensor, groups: number): Tensor {
  return meanOfGroups(channelMean(x), groups);
}

/** [batch, height, width, channels] → [batch, channels] */
function channelMean(x: Tensor): Tensor {
  const [batch, height, width, channels] = x.shape as [number, number, number, number];
  return x.reshape([batch, height * width, channels]).mean(1);
}

/** Means over the channels of each group: [batch, channels] → [batch, 1, 1, channels], equal within a group. */
function meanOfGroups(perChannel: Tensor, groups: number): Tensor {
  const [batch, channels] = perChannel.shape as [number, number];
  const size = channels / groups;
  const means = perChannel.reshape([batch, groups, size]).mean(2, true);
  return tf.tile(means, [1, 1, size]).reshape([batch, 1, 1, channels]);
}
