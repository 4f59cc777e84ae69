import { type Tensor, type Tensors, tf } from '../tensorflow/index.js';
import type { AdamWConfig } from './adamw.js';

/** What training keeps of each parameter, by its name. */
export interface AdamWState {
  readonly weights: Tensors;
  readonly average: Tensors;
  readonly firstMoment: Tensors;
  readonly secondMoment: Tensors;
}

/** The state at the start of training from `weights`: their average equal to them, moments zero. */
export function adamwStart(weights: Tensors): AdamWState {
  const each = (f: (weight: Tensor) => Tensor): Tensors =>
    Object.fromEntries(Object.entries(weights).map(([name, weight]) => [name, f(weight)]));
  return {
    weights: each((weight) => weight.clone()),
    average: each((weight) => weight.clone()),
    firstMoment: each((weight) => tf.zerosLike(weight)),
    secondMoment: each((weight) => tf.zerosLike(weight)),
  };
}

/**
 * One update of AdamW and of the moving average as a function of tensors: what `AdamW` does with variables of a
 * session, for backends without one.
 *
 * @param step learning rate, and how many updates were made before
 * @param averageDecay decay of the moving average
 * @returns the new state; the old one stays the caller's
 * Source: Loshchilov and Hutter, arXiv 1711.05101, as in PyTorch
 */
export function adamwStep(
  { betas: [beta1, beta2], epsilon, weightDecay }: AdamWConfig,
  averageDecay: number,
  state: AdamWState,
  gradients: Tensors,
  { learningRate, updates }: { readonly learningRate: Tensor | number; readonly updates: number },
): AdamWState {
  const next = {
    weights: {} as Record<string, Tensor>,
    average: {} as Record<string, Tensor>,
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
      return { first, second, weights, average: mix(state.average[name]!, weights, averageDecay) };
    });
    next.weights[name] = updated.weights;
    next.average[name] = updated.average;
    next.firstMoment[name] = updated.first;
    next.secondMoment[name] = updated.second;
  }
  return next;
}

/** decay·old + (1 − decay)·value */
function mix(old: Tensor, value: Tensor, decay: number): Tensor {
  return old.mul(decay).add(value.mul(1 - decay));
}
