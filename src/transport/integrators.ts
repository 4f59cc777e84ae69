import type { Tensor } from '../tensorflow/index.js';
import type { VectorField } from './time-function.js';

/** Coefficients of an explicit Runge–Kutta method. */
export interface Tableau {
  /** Times of the stages after the first, in steps. */
  readonly nodes: readonly number[];
  /** Weights of the stages after the first: row i has i + 1 of them. */
  readonly stages: readonly (readonly number[])[];
  /** Weights of the result. */
  readonly weights: readonly number[];
}

/** A method of fixed steps that looks at nothing but the step itself. */
interface OneStepIntegrator {
  readonly kind: 'oneStep';
  /** The error over a given time falls as the step size to this power. */
  readonly order: number;
  readonly tableau: Tableau;
  /** Name in torchdiffeq. */
  readonly reference?: string;
}

/** A method that chooses its own steps. */
export interface AdaptiveIntegrator {
  readonly kind: 'adaptive';
  readonly order: number;
  /** The last stage of an accepted step is the next step's first. */
  readonly tableau: Tableau;
  /** Weights of the pair's other result, of a lower order: the difference is the error. */
  readonly embedded: readonly number[];
  /** Weights of the state in the middle of the step, for dense output. */
  readonly middle: readonly number[];
  readonly reference?: string;
}

/** A method that looks back on the field at earlier steps; the configuration's `order` says on how many. */
interface MultistepIntegrator {
  readonly kind: 'multistep';
  /** The one-step methods that take the first steps: for each order from 1, one of that order less 1 or more. */
  readonly starters: readonly string[];
  readonly reference?: string;
}

export type OdeIntegrator = OneStepIntegrator | AdaptiveIntegrator | MultistepIntegrator;

/**
 * Integrators of ordinary differential equations, by the name that configurations give them. Every list of methods,
 * every check and every cost follows from this table; `npm run generate` writes the schema's enumeration from it.
 */
export const odeIntegrators = {
  euler: {
    kind: 'oneStep',
    order: 1,
    tableau: { nodes: [], stages: [], weights: [1] },
    reference: 'euler',
  },
  midpoint: {
    kind: 'oneStep',
    order: 2,
    tableau: { nodes: [1 / 2], stages: [[1 / 2]], weights: [0, 1] },
    reference: 'midpoint',
  },
  /** The trapezoidal rule with a predictor. */
  heun: {
    kind: 'oneStep',
    order: 2,
    tableau: { nodes: [1], stages: [[1]], weights: [1 / 2, 1 / 2] },
    reference: 'heun2',
  },
  /** Source: Heun, "Neue Methoden zur approximativen Integration" (1900). */
  heun3: {
    kind: 'oneStep',
    order: 3,
    tableau: {
      nodes: [1 / 3, 2 / 3],
      stages: [[1 / 3], [0, 2 / 3]],
      weights: [1 / 4, 0, 3 / 4],
    },
    reference: 'heun3',
  },
  /**
   * Kutta's 3/8 rule, which is torchdiffeq's `rk4`, and not the classical method.
   *
   * Source: Kutta, "Beitrag zur näherungsweisen Integration" (1901).
   */
  rk4: {
    kind: 'oneStep',
    order: 4,
    tableau: {
      nodes: [1 / 3, 2 / 3, 1],
      stages: [[1 / 3], [-1 / 3, 1], [1, -1, 1]],
      weights: [1 / 8, 3 / 8, 3 / 8, 1 / 8],
    },
    reference: 'rk4',
  },
  /**
   * Dormand and Prince's pair of orders 5 and 4: seven stages, of which the last is the next step's first.
   *
   * Source: Dormand and Prince, "A family of embedded Runge–Kutta formulae" (1980); the formula of order 4 and the
   * middle: Shampine, "Some practical Runge–Kutta formulas" (1986), as in torchdiffeq's `dopri5`.
   */
  dopri5: {
    kind: 'adaptive',
    order: 5,
    tableau: {
      nodes: [1 / 5, 3 / 10, 4 / 5, 8 / 9, 1, 1],
      stages: [
        [1 / 5],
        [3 / 40, 9 / 40],
        [44 / 45, -56 / 15, 32 / 9],
        [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729],
        [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656],
        [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84],
      ],
      weights: [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84],
    },
    embedded: [1951 / 21600, 0, 22642 / 50085, 451 / 720, -12231 / 42400, 649 / 6300, 1 / 60],
    middle: [
      6025192743 / 30085553152 / 2,
      0,
      51252292925 / 65400821598 / 2,
      -2691868925 / 45128329728 / 2,
      187940372067 / 1594534317056 / 2,
      -1776094331 / 19743644256 / 2,
      11237099 / 235043384 / 2,
    ],
    reference: 'dopri5',
  },
  /** Source: Hairer, Nørsett and Wanner, "Solving ordinary differential equations I" (1993), III.1 and III.5. */
  adamsBashforth: { kind: 'multistep', starters: ['euler', 'euler', 'heun', 'heun3'] },
} as const satisfies Record<string, OdeIntegrator>;

/** Result of a step of an SDE. */
// A type, not an interface: it is a program's record of results.
// eslint-disable-next-line @typescript-eslint/consistent-type-definitions
export type SdeStepResult = {
  readonly x: Tensor;
  /** The state without what noise the step added last. */
  readonly mean: Tensor;
};

/** An integrator of stochastic differential equations. */
interface SdeIntegrator {
  /** Evaluations of the drift in a step. */
  readonly evaluations: number;
  /** True when the drift is evaluated at the step's end. */
  readonly reachesEnd: boolean;
  /** Name in the reference's sampler. */
  readonly reference: string;
  /**
   * One step from x `[batch, …]` at t `[batch]` over the scalar dt: a pure function of tensors.
   *
   * @param noise the noise that the step adds, of standard deviation √(2·diffusion·dt)
   */
  readonly step: (
    drift: VectorField,
    at: Readonly<Record<'x' | 't' | 'dt', Tensor>>,
    noise: Tensor,
  ) => SdeStepResult;
}

/** Integrators of stochastic differential equations, by the name that configurations give them. */
export const sdeIntegrators = {
  /**
   * Euler–Maruyama: weak order 1; strong order 1, as noise is additive (½ in general). Itô.
   *
   * Source: Kloeden and Platen, "Numerical solution of stochastic differential equations" (1992), 9.1.
   */
  eulerMaruyama: {
    evaluations: 1,
    reachesEnd: false,
    reference: 'Euler',
    step: (drift, { x, t, dt }, noise) => {
      const mean = x.add(drift(x, t).mul(dt));
      return { x: mean.add(noise), mean };
    },
  },
  /**
   * Stochastic Heun: noise first, then a step of Heun's method along the drift. Order 2 in the drift, weak and strong
   * order 1 over all, as the noise enters at the step's start. Additive noise: Itô and Stratonovich agree. Its `mean` is
   * the state with noise but without the drift.
   *
   * Source: Karras et al., "Elucidating the design space" (2022), algorithm 2, as SiT's sampler has it.
   */
  heun: {
    evaluations: 2,
    reachesEnd: true,
    reference: 'Heun',
    step: (drift, { x, t, dt }, noise) => {
      const noisy = x.add(noise);
      const first = drift(noisy, t);
      const second = drift(noisy.add(first.mul(dt)), t.add(dt));
      return { x: noisy.add(first.add(second).mul(dt.div(2))), mean: noisy };
    },
  },
} as const satisfies Record<string, SdeIntegrator>;

export type SdeMethod = keyof typeof sdeIntegrators;
export type OdeMethod = keyof typeof odeIntegrators;
type OfKind<Kind extends OdeIntegrator['kind']> = {
  [M in OdeMethod]: (typeof odeIntegrators)[M] extends { readonly kind: Kind } ? M : never;
}[OdeMethod];
/** Methods of fixed steps that need no history. */
export type OneStepMethod = OfKind<'oneStep'>;
export type AdaptiveMethod = OfKind<'adaptive'>;
export type MultistepMethod = OfKind<'multistep'>;

/** An integrator by the kind of equation and its name. */
export type IntegratorChoice =
  { readonly kind: 'sde'; readonly method: SdeMethod } | { readonly kind: 'ode'; readonly method: OdeMethod };

/** Names of the integrators of a kind of equation, in the order of documentation. */
export function integratorNames(kind: 'sde' | 'ode'): readonly string[] {
  return Object.keys(kind === 'sde' ? sdeIntegrators : odeIntegrators);
}

export function odeIntegrator(method: OdeMethod): OdeIntegrator {
  return odeIntegrators[method];
}

/** Facts about a step of an integrator, whatever equation it is for. */
export interface StepFacts {
  /** Evaluations of the field in a step; of an adaptive method, in a step that it tries. */
  readonly evaluations: number;
  /** True when the field is evaluated at the step's end. */
  readonly reachesEnd: boolean;
  /** True when the field is evaluated anywhere but at the step's start. */
  readonly leavesStart: boolean;
  readonly isAdaptive: boolean;
  /** True when the method uses the field at earlier steps. */
  readonly looksBack: boolean;
}

export function stepFacts(choice: IntegratorChoice): StepFacts {
  if (choice.kind === 'sde') {
    const { evaluations, reachesEnd } = sdeIntegrators[choice.method];
    return { evaluations, reachesEnd, leavesStart: evaluations > 1, isAdaptive: false, looksBack: false };
  }
  const integrator = odeIntegrator(choice.method);
  if (integrator.kind === 'multistep')
    return { evaluations: 1, reachesEnd: false, leavesStart: false, isAdaptive: false, looksBack: true };
  const { nodes } = integrator.tableau;
  const isAdaptive = integrator.kind === 'adaptive';
  return {
    evaluations: nodes.length + (isAdaptive ? 0 : 1),
    reachesEnd: nodes.includes(1),
    leavesStart: nodes.length > 0,
    isAdaptive,
    looksBack: false,
  };
}

/** The one name of a list of methods for which a fact holds, or those names: `dopri5`. */
export function methodsWhere(kind: 'sde' | 'ode', holds: (facts: StepFacts) => boolean): readonly string[] {
  return integratorNames(kind).filter((method) => holds(stepFacts({ kind, method } as IntegratorChoice)));
}
