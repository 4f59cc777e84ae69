import type { SiTConfig } from '../../../models/sit/config.js';
import { sitParameters } from '../../../models/sit/parameters.js';
import { openSitSession } from '../../../models/sit/session.js';
import { sit } from '../../../models/sit/sit.js';
import {
  type Guidance,
  classifierFreeField,
  fixedStepMethods,
  integrate,
  stepInputs,
  uniformTimes,
} from '../../../sampling/index.js';
import {
  type HostTensor,
  type HostTensors,
  type RuntimeOptions,
  type Tensor,
  type Tensor1D,
  type Tensor4D,
  type Tensors,
  compile,
  int32,
  openStore,
  randomNormal,
  streamKey,
  tf,
} from '../../../tensorflow/index.js';
import {
  type TransportChoice,
  type VectorField,
  defaultSampleEpsilon,
  timeInterval,
  transportOf,
  velocityField,
} from '../../../transport/index.js';

/** Of few steps the best: second order, and no noise that would hide what changes from one picture to the next. */
const method = { kind: 'ode', method: 'heun2' } as const;

export interface DrawOptions {
  readonly model: SiTConfig;
  readonly transport: TransportChoice;
  readonly labels: Int32Array;
  /** Points of the time grid. */
  readonly steps: number;
  readonly guidance: Guidance;
  readonly seed: number;
}

// Types, not interfaces: they are programs' records of inputs.
/* eslint-disable @typescript-eslint/consistent-type-definitions */
type StartInputs = { key: Tensor1D; firstSample: Tensor1D };
type StepInputs = { x: Tensor; t: Tensor; dt: Tensor; labels: Tensor1D };
/* eslint-enable @typescript-eslint/consistent-type-definitions */

/**
 * Draws latents [labels, size, size, channels] as the model sees them, in a session of its own that is gone afterwards.
 * A function of the weights, the seed and the labels.
 *
 * @throws the signal's reason when it is aborted
 */
export async function drawLatents(
  weights: HostTensors,
  options: DrawOptions,
  runtime: RuntimeOptions,
  signal: AbortSignal,
): Promise<HostTensor> {
  const { model, transport, labels, steps, seed } = options;
  const session = openSitSession(runtime);
  try {
    const variables = sitParameters(model).map(({ name, shape }) => session.variable(name, shape));
    const store = openStore(session, variables);
    const { latentSize, channels } = model;
    const start = compile(
      ({ key, firstSample }: StartInputs) => ({
        x: randomNormal(key, firstSample, labels.length, [latentSize, latentSize, channels]),
      }),
      { session },
    );
    const step = compile(
      ({ labels, ...at }: StepInputs, tensors: Tensors) => ({
        x: fixedStepMethods.heun2.step(
          velocityField(transportOf(transport), guidedModel(options, labels, tensors)),
          at,
        ).x,
      }),
      { session, weights: Object.fromEntries(variables.map((variable) => [variable.name, variable])) },
    );
    await store.write(({ name }) => weights[name]!);
    const interval = timeInterval(transport, defaultSampleEpsilon(transport, method), method);
    const shared = { labels: int32([labels.length], labels) };
    const key = streamKey(seed, 'training sample');
    return await integrate({
      init: (await start.call({ key, firstSample: int32([1], Int32Array.of(0)) })).x,
      times: uniformTimes(interval, steps),
      step: async (x, at) => (await step.call({ ...shared, ...stepInputs(x, at) })).x,
      signal,
    });
  } finally {
    await session.close();
  }
}

function guidedModel(
  { model, guidance }: Pick<DrawOptions, 'model' | 'guidance'>,
  labels: Tensor1D,
  weights: Tensors,
): VectorField {
  const network = (x: Tensor, t: Tensor, y: Tensor) =>
    sit(weights, model, x as Tensor4D, t as Tensor1D, y as Tensor1D);
  if (guidance.scale === 1) return (x, t) => network(x, t, labels);
  return classifierFreeField(guidance, network, labels, tf.fill([labels.size], model.classes, 'int32'));
}
