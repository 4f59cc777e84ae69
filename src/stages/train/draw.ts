import type { TrainConfig } from '../../generated/index.js';
import { gridOf, type SiTConfig, sitParameters } from '../../models/sit/config.js';
import { openSitSession, sit } from '../../models/sit/sit.js';
import type { StageContext } from '../../runner/stage.js';
import {
  classifierFreeField,
  fixedStepMethods,
  type Guidance,
  integrate,
  pathTimes,
  type SamplerSettings,
  stepInputs,
} from '../../sampling/index.js';
import { type HostTensor, int32 } from '../../tensorflow/data-types.js';
import { compile, newVariables, openStore, randomNormal, streamKey, tf } from '../../tensorflow/index.js';
import type {
  HostTensors,
  RuntimeOptions,
  Tensor,
  Tensor1D,
  Tensor4D,
  Tensors,
} from '../../tensorflow/index.js';
import type { Normalization } from '../../training/diffusion-loss.js';
import type { Trainer } from '../../training/trainer.js';
import { transportOf, velocityField, type VectorField } from '../../transport/index.js';
import type { TransportChoice } from '../../transport/names.js';

/** Classes in turn, or some spread over all where there are fewer samples than classes. */
export function spreadLabels(count: number, classes: number): Int32Array {
  return Int32Array.from({ length: count }, (_, i) =>
    count >= classes ? i % classes : Math.floor((i * classes) / count),
  );
}

export function denormalized(values: Float32Array, { mean, std }: Normalization): Float32Array {
  const channels = mean.length;
  return values.map((value, i) => value * std[i % channels]! + mean[i % channels]!);
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** Best method for few steps: second order, and no noise that would hide what changes from one picture to the next. */
const method = { kind: 'ode', method: 'heun' } as const;

export interface DrawOptions {
  readonly model: SiTConfig;
  readonly transport: TransportChoice;
  readonly labels: Int32Array;
  /** Points of the time grid. */
  readonly steps: number;
  readonly timeShift?: SamplerSettings['timeShift'] | undefined;
  readonly guidance: Guidance;
  readonly seed: number;
  /** Name of the random numbers. */
  readonly stream: string;
  /** Samples computed at once; all by default. */
  readonly batch?: number;
  /** Numbers of the batches to draw; all by default. */
  readonly batches?: readonly number[];
}

// Types, not interfaces: they are programs' records of inputs.
/* eslint-disable @typescript-eslint/consistent-type-definitions */
type StartInputs = { key: Tensor1D; firstSample: Tensor1D };
type StepInputs = { x: Tensor; t: Tensor; dt: Tensor; labels: Tensor1D };
/* eslint-enable @typescript-eslint/consistent-type-definitions */

/**
 * Draws latents [batch, size, size, channels] as the model sees them, a batch after the other, in a session of its own
 * that is gone afterwards. A function of the weights, the seed and the labels.
 *
 * @throws the signal's reason when it is aborted
 */
export async function* drawLatents(
  weights: HostTensors,
  options: DrawOptions,
  runtime: RuntimeOptions,
  signal: AbortSignal,
): AsyncGenerator<HostTensor, void> {
  const { model, transport, labels, steps, timeShift, seed, batch = labels.length } = options;
  if (options.batches?.length === 0) return;
  const session = openSitSession(runtime);
  try {
    const variables = newVariables(session, sitParameters(model));
    const store = openStore(session, variables);
    const { latentSize, channels } = model;
    const start = compile(
      ({ key, firstSample }: StartInputs, _: Tensors, { count }: { readonly count: number }) => ({
        x: randomNormal(key, firstSample, count, [latentSize, latentSize, channels]),
      }),
      { session },
    );
    const step = compile(
      ({ labels, ...at }: StepInputs, tensors: Tensors) => ({
        x: fixedStepMethods.heun.step(
          velocityField(transportOf(transport), guidedModel(options, labels, tensors)),
          at,
        ).x,
      }),
      { session, weights: Object.fromEntries(variables.map((variable) => [variable.name, variable])) },
    );
    await store.write(({ name }) => weights[name]!);
    const settings = { choice: method, steps, ...(timeShift !== undefined && { timeShift }) };
    const times = pathTimes(transport, settings, gridOf(model) ** 2);
    const key = streamKey(seed, options.stream);
    const all = Array.from({ length: Math.ceil(labels.length / batch) }, (_, i) => i);
    for (const number of options.batches ?? all) {
      const first = number * batch;
      const part = labels.slice(first, first + batch);
      const shared = { labels: int32([part.length], part) };
      const firstSample = int32([1], Int32Array.of(first));
      yield await integrate({
        init: (await start.call({ key, firstSample }, { count: part.length })).x,
        times,
        step: async (x, at) => (await step.call({ ...shared, ...stepInputs(x, at) })).x,
        signal,
      });
    }
  } finally {
    await session.close();
  }
}

/** Keys of pictures and of evaluations by which samples are drawn. */
type DrawnKeys = Pick<
  NonNullable<TrainConfig['samples' | 'evaluate']>,
  'steps' | 'timeShift' | 'guidanceScale' | 'guidanceChannels'
>;

/** Draws latents from the moving average of a training, as `drawLatents` does. */
export async function* drawAverage(
  trainer: Trainer,
  { steps, timeShift, guidanceScale: scale, guidanceChannels: channels }: DrawnKeys,
  what: Pick<DrawOptions, 'model' | 'transport' | 'labels' | 'stream' | 'batch'>,
  { seed, runtime }: Pick<StageContext, 'seed' | 'runtime'>,
  signal: AbortSignal,
): AsyncGenerator<HostTensor, void> {
  const weights = Object.fromEntries(await collect(trainer.read('average')));
  yield* drawLatents(
    weights,
    { ...what, seed, steps, timeShift, guidance: { scale, channels } },
    runtime,
    signal,
  );
}

/** Signal that interrupts the work of a step. Several workers stop at the step that they agree on, which may be the next. */
export const signalWithin = ({ workers, signal }: Pick<StageContext, 'workers' | 'signal'>): AbortSignal =>
  workers === undefined ? signal : new AbortController().signal;

/** The field that a model follows under labels, guided where the scale is not 1. */
export function guidedModel(
  { model, guidance }: Pick<DrawOptions, 'model' | 'guidance'>,
  labels: Tensor1D,
  weights: Tensors,
): VectorField {
  const network = (x: Tensor, t: Tensor, y: Tensor) =>
    sit(weights, model, x as Tensor4D, t as Tensor1D, y as Tensor1D);
  if (guidance.scale === 1) return (x, t) => network(x, t, labels);
  return classifierFreeField(guidance, network, labels, tf.fill([labels.size], model.classes, 'int32'));
}
