import { type Tensor, type Tensors, tf } from '../tensorflow/index.js';
import type { AdamWConfig } from './adamw.js';

/** What training keeps of each parameter, by its name. */
export interface AdamWState {
  readonly weights: Tensors;
  /** Moving averages, one for each decay. */
  readonly averages: readonly Tensors[];
  readonly firstMoment: Tensors;
  readonly secondMoment: Tensors;
}

/**
 * One update of AdamW and of the moving averages as a function of tensors: what `AdamW` does with variables of a
 * session, for backends without one.
 *
 * @param step learning rate, and how many updates were made before
 * @param averageDecays decays of the moving averages
 * @returns the new state; the old one stays the caller's
 * Source: Loshchilov and Hutter, arXiv 1711.05101, as in PyTorch
 */
export function adamwStep(
  { betas: [beta1, beta2], epsilon, weightDecay }: AdamWConfig,
  averageDecays: readonly number[],
  state: AdamWState,
  gradients: Tensors,
  { learningRate, updates }: { readonly learningRate: Tensor | number; readonly updates: number },
): AdamWState {
  const next = {
    weights: {} as Record<string, Tensor>,
    averages: averageDecays.map((): Record<string, Tensor> => ({})),
    firstMoment: {} as Record<string, Tensor>,
    secondMoment: {} as Record<string, Tensor>,
  };
  const correction1 = 1 - beta1 ** (updates + 1);
  const correction2 = 1 - beta2 ** (updates + 1);
  for (const [name, gradient] of Object.entries(gradients)) {
    const updated = tf.tidy(() => {
      const first = mix(state.firstMoment[name]!, gradient, beta1);
      const second = mix(state.secondMoment[name]!, gradient.square(), beta2);
      const direction = first.div(correction1).div(second.div(correction2).sqrt().add(epsilon));
      const decay = tf.mul(learningRate, weightDecay);
      const weight = state.weights[name]!;
      const weights = weight.sub(weight.mul(decay)).sub(direction.mul(learningRate));
      const averages = averageDecays.map((decay, i) => mix(state.averages[i]![name]!, weights, decay));
      return { first, second, weights, averages };
    });
    next.weights[name] = updated.weights;
    for (const [i, average] of updated.averages.entries()) next.averages[i]![name] = average;
    next.firstMoment[name] = updated.first;
    next.secondMoment[name] = updated.second;
  }
  return next;
}

/** decay·old + (1 − decay)·value */
function mix(old: Tensor, value: Tensor, decay: number): Tensor {
  return old.mul(decay).add(value.mul(1 - decay));
}
