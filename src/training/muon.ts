import { type Tensor, type Tensors, tf } from '../tensorflow/index.js';
import { mix } from './adamw.js';
import { muonIterations } from './muon-cost.js';

/**
 * Muon for the matrices of hidden layers: momentum whose singular values are all brought near to 1.
 *
 * Source: Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024, as `torch.optim.Muon`;
 *   `matchRmsAdamW` from Liu et al., "Muon is scalable for LLM training", arXiv 2502.16982
 */
export interface MuonConfig {
  /** Learning rate as a multiple of AdamW's: both follow one schedule. */
  readonly relativeRate: number;
  /** Decoupled decay: weights shrink by learning rate · weightDecay at each step. */
  readonly weightDecay: number;
  readonly momentum: number;
  /**
   * Length of a matrix's update: `matchRmsAdamW` gives its numbers the root mean square of AdamW's updates, about 0.2;
   * `original` gives its singular values the size √max(1, outputs/inputs).
   */
  readonly scale: 'matchRmsAdamW' | 'original';
}

/** Coefficients of the iteration's polynomial. */
const [linear, cubic, quintic] = [3.4445, -4.775, 2.0315];
/** Norms below it count as it. */
const leastNorm = 1e-7;

/**
 * Matrices [count, rows, columns] with about the same singular vectors, and singular values between 0.7 and 1.2 where
 * they were not near zero: five steps of Newton and Schulz with a polynomial of degree 5. No more rows than columns.
 */
export function orthogonalized(matrices: Tensor): Tensor {
  const norms = matrices.square().sum([1, 2], true).sqrt();
  let x = matrices.div(norms.maximum(leastNorm));
  for (let i = 0; i < muonIterations; i++) {
    const gram = tf.matMul(x, x, false, true);
    const polynomial = gram.mul(cubic).add(tf.matMul(gram, gram).mul(quintic));
    x = x.mul(linear).add(tf.matMul(polynomial, x));
  }
  return x;
}

/** State that Muon keeps of each parameter [inputs, outputs], by its name. */
interface MuonState {
  readonly weights: Tensors;
  /** Moving averages of the gradients. */
  readonly firstMoment: Tensors;
}

/**
 * One update as a function of tensors. Matrices of one shape go through the iteration together.
 *
 * @param counts matrices that stand side by side in each parameter, along its outputs: each has an update of its own, as
 *   queries, keys and values have it in separate layers
 * @param learningRate AdamW's
 * @returns the new state; the old one stays the caller's
 */
export function muonStep(
  config: MuonConfig,
  counts: Readonly<Record<string, number>>,
  state: MuonState,
  gradients: Tensors,
  learningRate: Tensor | number,
): MuonState {
  const { momentum } = config;
  const names = Object.keys(gradients);
  const firstMoment = Object.fromEntries(
    names.map((name) => [name, mix(state.firstMoment[name]!, gradients[name]!, momentum)] as const),
  );
  const matrices = names.flatMap((name) => {
    const [inputs, outputs] = gradients[name]!.shape as [number, number];
    const nesterov = mix(gradients[name]!, firstMoment[name]!, 1 - momentum);
    const parts = counts[name] === 1 ? [nesterov] : tf.split(nesterov, counts[name]!, 1);
    const isTall = inputs > outputs / counts[name]!;
    return parts.map((part) => ({ name, isTall, matrix: isTall ? part.transpose() : part }));
  });
  const updates = new Map<string, Tensor[]>(names.map((name) => [name, []]));
  const shapes = new Set(matrices.map(({ matrix }) => matrix.shape.join()));
  for (const shape of shapes) {
    const alike = matrices.filter(({ matrix }) => matrix.shape.join() === shape);
    const stack = orthogonalized(tf.stack(alike.map(({ matrix }) => matrix)));
    for (const [i, update] of tf.unstack(stack).entries()) {
      const { name, isTall } = alike[i]!;
      updates.get(name)!.push(isTall ? update.transpose() : update);
    }
  }
  const rate = tf.mul(learningRate, config.relativeRate);
  const kept = tf.sub(1, tf.mul(rate, config.weightDecay));
  const weights = names.map((name) => {
    const parts = updates.get(name)!;
    const update = parts.length === 1 ? parts[0]! : tf.concat(parts, 1);
    const length = tf.mul(rate, lengthOf(config, parts[0]!.shape as [number, number]));
    return [name, state.weights[name]!.mul(kept).sub(update.mul(length))] as const;
  });
  return { weights: Object.fromEntries(weights), firstMoment };
}

/** Factor of the update of a matrix [inputs, outputs] whose singular values are about 1. */
function lengthOf({ scale }: MuonConfig, [inputs, outputs]: readonly [number, number]): number {
  return scale === 'original'
    ? Math.sqrt(Math.max(1, outputs / inputs))
    : 0.2 * Math.sqrt(Math.max(inputs, outputs));
}
