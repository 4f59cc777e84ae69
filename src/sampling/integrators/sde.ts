import { type Tensor, tf } from '../../tensorflow/index.js';
import {
  dataFromScore,
  diffusionCoefficient,
  type LastStep,
  over,
  scoreField,
  sdeDrift,
  sdeIntegrators,
  type SdeMethod,
  type SdeSampler,
  type SdeStepResult,
  type TimeFunction,
  type Transport,
  type VectorField,
  velocityField,
} from '../../transport/index.js';

/**
 * dx = drift(x, t) dt + √(2·diffusion(t)) dW. The noise does not depend on the state, so that the equation means the
 * same to Itô and to Stratonovich.
 */
export interface Sde {
  readonly drift: VectorField;
  readonly diffusion: TimeFunction;
}

// A type, not an interface: it is a program's record of inputs.
// eslint-disable-next-line @typescript-eslint/consistent-type-definitions
export type SdeStepInputs = {
  /** `[batch, …]` */
  readonly x: Tensor;
  /** `[batch]` */
  readonly t: Tensor;
  /** A positive scalar. */
  readonly dt: Tensor;
  /** Standard normal numbers, shaped as x. */
  readonly noise: Tensor;
};

/** One step of an integrator: a pure function of tensors. */
export type SdeStep = (sde: Sde, inputs: SdeStepInputs) => SdeStepResult;

/** √(2·diffusion·dt)·noise */
function diffusionStep({ diffusion }: Sde, { x, t, dt, noise }: SdeStepInputs): Tensor {
  return tf.tidy(() => {
    const amplitude = tf.sqrt(tf.mul(tf.mul(over(x, t, diffusion), 2), dt));
    return tf.mul(noise, amplitude);
  });
}

/** Fields that last steps are made of. */
export interface LastStepFields {
  readonly transport: Transport;
  /** Drift of the SDE. */
  readonly drift: VectorField;
  readonly velocity: VectorField;
  readonly score: VectorField;
}

/**
 * Last steps from the end of the SDE's interval to the data, without noise, at x `[batch, …]`, t `[batch]` and step
 * size dt:
 *
 * - `mean`: a step along the SDE's drift;
 * - `euler`: a step along the velocity;
 * - `tweedie`: the expected data given x, whatever dt is;
 * - `none`: no step.
 *
 * Source: SiT, section 2.5 and its sampler.
 */
export const lastSteps: Readonly<
  Record<LastStep, ((fields: LastStepFields, x: Tensor, t: Tensor, dt: Tensor) => Tensor) | undefined>
> = {
  mean: ({ drift }, x, t, dt) => tf.tidy(() => tf.add(x, tf.mul(drift(x, t), dt))),
  euler: ({ velocity }, x, t, dt) => tf.tidy(() => tf.add(x, tf.mul(velocity(x, t), dt))),
  tweedie: ({ transport, score }, x, t) =>
    tf.tidy(() => dataFromScore(transport.interpolant, score(x, t), x, t)),
  none: undefined,
};

/** Every integrator of stochastic differential equations by name. */
export const sdeMethods = Object.fromEntries(
  Object.entries(sdeIntegrators).map(([name, { step }]): [string, SdeStep] => [
    name,
    (sde, inputs) => tf.tidy(() => step(sde.drift, inputs, diffusionStep(sde, inputs))),
  ]),
) as Readonly<Record<SdeMethod, SdeStep>>;

export type LastStepInputs = Omit<SdeStepInputs, 'noise'>;

/** The two programs that a path of the SDE consists of, for one model: pure functions of tensors. */
export interface SdePrograms {
  readonly step: (inputs: SdeStepInputs) => SdeStepResult;
  /** Program of the last step; undefined where that is `none`. */
  readonly lastStep: ((inputs: LastStepInputs) => { x: Tensor }) | undefined;
}

/**
 * The SDE of a transport and a model with a choice of integrator, diffusion and last step.
 *
 * Times go over `uniformTimes(timeInterval(…), steps)`, and the last step covers `lastStepSize(sampler)`.
 */
export function sdeSampler(
  transport: Transport,
  sampler: Omit<SdeSampler, 'kind' | 'lastStepSize'> & { readonly diffusionNorm?: number },
  model: VectorField,
): SdePrograms {
  const diffusion = diffusionCoefficient(transport.interpolant, sampler.diffusion, sampler.diffusionNorm);
  const drift = sdeDrift(transport, model, diffusion);
  const fields = {
    transport,
    drift,
    velocity: velocityField(transport, model),
    score: scoreField(transport, model),
  };
  const last = lastSteps[sampler.lastStep];
  return {
    step: (inputs) => sdeMethods[sampler.method]({ drift, diffusion }, inputs),
    lastStep: last && (({ x, t, dt }) => ({ x: last(fields, x, t, dt) })),
  };
}
