import { type Parameter, uniform } from '../../nn/parameter.js';
import { dense } from './config.js';

/** Names of the layers of the head that self-alignment trains. */
export const selfHead = { inner: 'selfAlignment.in', outer: 'selfAlignment.out' } as const;
/** Width of its hidden layer, in multiples of the model's. */
const selfHeadRatio = 2;

/** Parameters of the head that a model's tokens go through to be aligned with its own: an MLP of one hidden layer. */
export function selfHeadParameters(hiddenSize: number): Parameter[] {
  const inner = selfHeadRatio * hiddenSize;
  return [...dense(selfHead.inner, hiddenSize, inner), ...dense(selfHead.outer, inner, hiddenSize)];
}

/** Names of the layers of the head between tokens and an image's features. */
export const featureHead = {
  mlp: ['featureAlignment.first', 'featureAlignment.second', 'featureAlignment.third'],
  convolution: 'featureAlignment.convolution',
} as const;

/** Head between tokens and an image's features: an MLP of three layers, or a convolution over 3 × 3 tokens. */
export interface FeatureHead {
  readonly projection: 'mlp' | 'convolution';
  /** Width of the MLP's hidden layers. */
  readonly width: number;
}

/** Parameters of the head between tokens and `channels` features. */
export function featureHeadParameters(
  { projection, width }: FeatureHead,
  hiddenSize: number,
  channels: number,
): Parameter[] {
  const [first, second, third] = featureHead.mlp;
  if (projection === 'mlp')
    return [
      ...dense(first, hiddenSize, width),
      ...dense(second, width, width),
      ...dense(third, width, channels),
    ];
  // PyTorch's start of a convolution.
  const initial = uniform(1 / Math.sqrt(taps * hiddenSize));
  return [
    { name: `${featureHead.convolution}.weight`, shape: [3, 3, hiddenSize, channels], initial },
    { name: `${featureHead.convolution}.bias`, shape: [channels], initial },
  ];
}

const taps = 9;
