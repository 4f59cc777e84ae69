import { scalar, tf } from '../tensorflow/index.js';
import { type AverageDecay, powerShares } from './averages.js';
import type { Feed, Output, Session, SessionVariable, Tensor, Tensors } from '../tensorflow/index.js';

/** AdamW as in PyTorch. Source: Loshchilov and Hutter, arXiv 1711.05101. */
export interface AdamWConfig {
  readonly betas: readonly [number, number];
  readonly epsilon: number;
  /** Decoupled decay: weights shrink by learningRate · weightDecay at each step. */
  readonly weightDecay: number;
}

/** Inputs that change from step to step. */
export interface AdamWStep {
  readonly learningRate: number;
  /** Updates made before this one. */
  readonly updates: number;
}

/** The variables that the updates of one parameter change. */
export interface AdamWSlot {
  readonly weights: SessionVariable;
  readonly firstMoment: SessionVariable;
  /** None where Muon updates it. */
  readonly secondMoment: SessionVariable | undefined;
  /** Moving averages of the weights, one for each decay. */
  readonly averages: readonly SessionVariable[];
}

/**
 * AdamW and moving averages of the weights, as operations of a session's graph.
 *
 * `adamwStep` is the same update as a function of tensors. It could be traced into the graph too, but TensorFlow's fused
 * updates change the variables in place: for the 32 million weights of SiT-S/2 and one average, on two cores of Zen 5,
 * they take 30 ms and a peak of 1.09 GB where the traced function takes 65 ms and 1.40 GB (all state is 0.51 GB). A test
 * holds the two to the same numbers.
 */
export class AdamW {
  private readonly learningRate: Output;
  private readonly firstPower: Output;
  private readonly secondPower: Output;
  private readonly epsilon: Output;
  /** Shares of the new weights in averages by a power. */
  private readonly shares: readonly Output[];

  constructor(
    private readonly session: Session,
    private readonly config: AdamWConfig,
    /** Decays of the moving averages. */
    private readonly averageDecays: readonly AverageDecay[],
  ) {
    const { graph } = session;
    this.learningRate = graph.placeholder('float32', []);
    this.firstPower = graph.placeholder('float32', []);
    this.secondPower = graph.placeholder('float32', []);
    this.epsilon = graph.placeholder('float32', []);
    this.shares = averageDecays
      .filter((decay) => typeof decay === 'object')
      .map(() => graph.placeholder('float32', []));
  }

  /**
   * Operations that update every slot by its gradient, and nothing at all where `apply` (a bool scalar) is false.
   * Run them as targets with `feeds`.
   */
  update(slots: readonly AdamWSlot[], gradients: readonly Output[], apply: Output): bigint[] {
    const { graph } = this.session;
    // A tensor that exists only where `apply` holds: what depends on it does not run otherwise.
    const gate = graph.add('Switch', [this.learningRate, apply]);
    const learningRate: Output = { operation: gate, index: 1 };
    const beta1 = graph.scalar(this.config.betas[0]);
    const beta2 = graph.scalar(this.config.betas[1]);
    const shares = this.shares.values();
    const follow = this.averageDecays.map((decay) =>
      typeof decay === 'number' ? graph.scalar(1 - decay) : shares.next().value!,
    );
    return slots.flatMap(({ weights, firstMoment, secondMoment, averages }, i) => {
      const decayed = this.decay(weights, learningRate, gate);
      const adam = graph.add(
        'ResourceApplyAdam',
        [
          ...[weights, firstMoment, secondMoment!].map(({ handle }) => handle),
          ...[this.firstPower, this.secondPower, learningRate, beta1, beta2, this.epsilon, gradients[i]!],
        ],
        {},
        { after: decayed },
      );
      const updated = weights.read([adam]);
      const averaged = averages.map((average, j) => {
        const lag = graph.node('Sub', [average.read([adam]), updated]);
        return graph.add('ResourceApplyGradientDescent', [average.handle, follow[j]!, lag]);
      });
      return [adam, ...averaged];
    });
  }

  /** Values of the step's scalars. */
  feeds({ learningRate, updates }: AdamWStep): Feed[] {
    const [beta1, beta2] = this.config.betas;
    const firstPower = beta1 ** (updates + 1);
    const secondPower = beta2 ** (updates + 1);
    return [
      [this.learningRate, scalar(learningRate)],
      [this.firstPower, scalar(firstPower)],
      [this.secondPower, scalar(secondPower)],
      // TensorFlow adds ε before the bias correction, PyTorch after it.
      [this.epsilon, scalar(this.config.epsilon * Math.sqrt(1 - secondPower))],
      ...powerShares(this.averageDecays, updates).map((share, i): Feed => [this.shares[i]!, scalar(share)]),
    ];
  }

  private decay(weight: SessionVariable, learningRate: Output, gate: bigint): bigint[] {
    const { weightDecay } = this.config;
    if (weightDecay === 0) return [];
    const { graph } = this.session;
    const rate = graph.node('Mul', [learningRate, graph.scalar(weightDecay)]);
    return [graph.add('ResourceApplyGradientDescent', [weight.handle, rate, weight.read([gate])])];
  }
}

/** State that training keeps of each parameter, by its name. */
export interface AdamWState {
  readonly weights: Tensors;
  /** Moving averages, one for each decay; of some parameters there are none. */
  readonly averages: readonly Tensors[];
  readonly firstMoment: Tensors;
  readonly secondMoment: Tensors;
}

/** Scalars that an update takes besides state and gradients, from step to step. */
export interface AdamWRates {
  readonly learningRate: Tensor | number;
  /** 1 − βᵗ for both moments, at the t-th update. */
  readonly corrections: readonly [Tensor | number, Tensor | number];
  /** `powerShares` of the averages. */
  readonly shares: readonly (Tensor | number)[];
}

/** Corrections of the moments' bias at the update after `updates` others. */
export function biasCorrections({ betas }: AdamWConfig, updates: number): [number, number] {
  return [1 - betas[0] ** (updates + 1), 1 - betas[1] ** (updates + 1)];
}

/**
 * One update of AdamW and of the moving averages as a function of tensors: what `AdamW` does with variables of a
 * session, for backends without one.
 *
 * @param averageDecays decays of the moving averages
 * @returns the new state; the old one stays the caller's
 * Source: Loshchilov and Hutter, arXiv 1711.05101, as in PyTorch
 */
export function adamwStep(
  { betas: [beta1, beta2], epsilon, weightDecay }: AdamWConfig,
  averageDecays: readonly AverageDecay[],
  state: AdamWState,
  gradients: Tensors,
  { learningRate, corrections: [correction1, correction2], shares }: AdamWRates,
): AdamWState {
  const next = {
    weights: {} as Record<string, Tensor>,
    averages: averageDecays.map((): Record<string, Tensor> => ({})),
    firstMoment: {} as Record<string, Tensor>,
    secondMoment: {} as Record<string, Tensor>,
  };
  for (const [name, gradient] of Object.entries(gradients)) {
    const updated = tf.tidy(() => {
      const first = mix(state.firstMoment[name]!, gradient, beta1);
      const second = mix(state.secondMoment[name]!, gradient.square(), beta2);
      const direction = first.div(correction1).div(second.div(correction2).sqrt().add(epsilon));
      const decay = tf.mul(learningRate, weightDecay);
      const weight = state.weights[name]!;
      const weights = weight.sub(weight.mul(decay)).sub(direction.mul(learningRate));
      return {
        ...{ first, second, weights },
        averages: averagesAfter(averageDecays, state.averages, name, weights, shares),
      };
    });
    next.weights[name] = updated.weights;
    for (const [i, average] of updated.averages.entries()) next.averages[i]![name] = average;
    next.firstMoment[name] = updated.first;
    next.secondMoment[name] = updated.second;
  }
  return next;
}

/** Moving averages of a parameter after an update to `weights`; none where it has none. */
export function averagesAfter(
  decays: readonly AverageDecay[],
  averages: readonly Tensors[],
  name: string,
  weights: Tensor,
  shares: AdamWRates['shares'],
): Tensor[] {
  const ofPower = shares.values();
  return decays.flatMap((decay, i) => {
    const average = averages[i]![name];
    const share = typeof decay === 'number' ? undefined : ofPower.next().value!;
    if (average === undefined) return [];
    return [
      share === undefined
        ? mix(average, weights, decay as number)
        : average.add(weights.sub(average).mul(share)),
    ];
  });
}

/** decay·old + (1 − decay)·value */
export function mix(old: Tensor, value: Tensor, decay: number): Tensor {
  return old.mul(decay).add(value.mul(1 - decay));
}
