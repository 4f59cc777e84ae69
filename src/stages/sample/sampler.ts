import { join } from 'node:path';
import type { SampleConfig } from '../../config/generated/index.js';
import { sitParameters } from '../../models/sit/parameters.js';
import { sit } from '../../models/sit/sit.js';
import {
  type Advance,
  type Guidance,
  classifierFreeField,
  fixedStepMethods,
  integrate,
  sdeSampler,
  stepInputs,
  uniformTimes,
} from '../../sampling/index.js';
import {
  CompiledProgram,
  type HostTensor,
  type RuntimeOptions,
  Session,
  type Tensor,
  type Tensor1D,
  type Tensor4D,
  type Tensors,
  float32,
  int32,
  randomNormal,
  streamKey,
  tf,
} from '../../tensorflow/index.js';
import {
  type SamplerChoice,
  type VectorField,
  defaultSampleEpsilon,
  lastStepSize,
  timeInterval,
  transportOf,
  velocityField,
} from '../../transport/index.js';
import { loadWeights } from '../load-weights.js';
import type { SavedModel } from '../train/saved-model.js';

/** Samples of a run that are made together: consecutive numbers, and the class of each. */
export interface SampleBatch {
  readonly first: number;
  readonly labels: Int32Array;
}

// A type, not an interface: it is a program's record of inputs.
// eslint-disable-next-line @typescript-eslint/consistent-type-definitions
type StepInputs = {
  x: Tensor;
  t: Tensor1D;
  dt: Tensor;
  labels: Tensor1D;
  noiseKey: Tensor1D;
  firstSample: Tensor1D;
};

type StepProgram = CompiledProgram<StepInputs, { x: Tensor }>;

/**
 * Draws latents from a trained model. Sample i is a function of the seed and of i: the batch that it is drawn in
 * does not matter.
 */
export class Sampler {
  private constructor(
    private readonly session: Session,
    private readonly model: SavedModel,
    private readonly seed: number,
    private readonly times: readonly number[],
    private readonly start: CompiledProgram<
      { key: Tensor1D; firstSample: Tensor1D; labels: Tensor1D },
      { x: Tensor }
    >,
    private readonly step: StepProgram,
    private readonly last: { readonly size: number; readonly program: StepProgram } | undefined,
  ) {}

  /** Opens the weights of a `train` stage's output. */
  static async open(
    directory: string,
    model: SavedModel,
    config: Pick<SampleConfig, 'weights' | 'sampler' | 'guidanceScale' | 'guidanceChannels'>,
    { seed, runtime }: { readonly seed: number; readonly runtime: RuntimeOptions },
  ): Promise<Sampler> {
    const session = new Session(runtime);
    const weights = await loadWeights(
      session,
      sitParameters(model.config),
      join(directory, model.weights[config.weights]),
    );
    const choice = samplerChoice(config.sampler);
    const interval = timeInterval(model, defaultSampleEpsilon(model, choice), choice);
    const { latentSize, channels } = model.config;
    const start = new CompiledProgram(
      session,
      ({ key, firstSample, labels }: { key: Tensor1D; firstSample: Tensor1D; labels: Tensor1D }) => ({
        x: randomNormal(key, firstSample, labels.size, [latentSize, latentSize, channels]),
      }),
    );
    const { step, lastStep } = programs(model, config);
    const size = lastStepSize(choice);
    return new Sampler(
      session,
      model,
      seed,
      uniformTimes(interval, config.sampler.steps),
      start,
      new CompiledProgram(session, step, weights),
      lastStep && { size, program: new CompiledProgram(session, lastStep, weights) },
    );
  }

  /** Steps of the network's path, the last one included. */
  get steps(): number {
    return this.times.length - 1 + (this.last === undefined ? 0 : 1);
  }

  /** Latents [batch, size, size, channels] as the autoencoder decodes them. */
  async sample({ first, labels }: SampleBatch, signal: AbortSignal, onStep: () => void): Promise<HostTensor> {
    const shared = {
      labels: int32([labels.length], labels),
      firstSample: int32([1], Int32Array.of(first)),
    };
    const { x: init } = await this.start.call({ ...shared, key: streamKey(this.seed, 'sample start') });
    const by =
      (program: StepProgram): Advance =>
      async (x, at) => {
        const noiseKey = streamKey(this.seed, 'sample noise', at.index);
        return (await program.call({ ...shared, ...stepInputs(x, at), noiseKey })).x;
      };
    const x = await integrate({
      init,
      times: this.times,
      step: by(this.step),
      ...(this.last && { lastStep: { size: this.last.size, step: by(this.last.program) } }),
      onStep,
      signal,
    });
    return this.denormalised(x);
  }

  close(): Promise<void> {
    return this.session.close();
  }

  private denormalised({ shape, data }: HostTensor): HostTensor {
    const { mean, std } = this.model.normalization;
    const channels = mean.length;
    return float32(
      shape,
      Float32Array.from(data as Float32Array, (value, i) => value * std[i % channels]! + mean[i % channels]!),
    );
  }
}

function samplerChoice(sampler: SampleConfig['sampler']): SamplerChoice {
  const { diffusion, lastStep, lastStepSize } = sampler;
  return sampler.kind === 'ode'
    ? { kind: 'ode', method: 'heun2' }
    : { kind: 'sde', method: 'eulerMaruyama', diffusion, lastStep, lastStepSize };
}

/** One step, and the last one where there is one, as programs of the weights. */
function programs(
  model: SavedModel,
  {
    sampler,
    guidanceScale,
    guidanceChannels,
  }: Pick<SampleConfig, 'sampler' | 'guidanceScale' | 'guidanceChannels'>,
) {
  const transport = transportOf(model);
  const guidance: Guidance = { scale: guidanceScale, channels: guidanceChannels };
  const field = (labels: Tensor1D, weights: Tensors): VectorField =>
    labelledField(model, guidance, labels, weights);
  if (sampler.kind === 'ode') {
    const step = ({ x, t, dt, labels }: StepInputs, weights: Tensors) => ({
      x: fixedStepMethods.heun2.step(velocityField(transport, field(labels, weights)), { x, t, dt }).x,
    });
    return { step, lastStep: undefined };
  }
  const sde = (labels: Tensor1D, weights: Tensors) =>
    sdeSampler(transport, { ...sampler, method: 'eulerMaruyama' }, field(labels, weights));
  const step = ({ labels, noiseKey, firstSample, ...inputs }: StepInputs, weights: Tensors) => {
    const [batch, ...shape] = inputs.x.shape as [number, ...number[]];
    const noise = randomNormal(noiseKey, firstSample, batch, shape);
    return { x: sde(labels, weights).step({ ...inputs, noise }).x };
  };
  const lastStep =
    sampler.lastStep === 'none'
      ? undefined
      : ({ x, t, dt, labels }: StepInputs, weights: Tensors) => sde(labels, weights).lastStep!({ x, t, dt });
  return { step, lastStep };
}

/** The network under labels, guided where the scale is not 1. */
function labelledField(
  { config }: SavedModel,
  guidance: Guidance,
  labels: Tensor1D,
  weights: Tensors,
): VectorField {
  const network = (x: Tensor, t: Tensor, y: Tensor) =>
    sit(weights, config, x as Tensor4D, t as Tensor1D, y as Tensor1D);
  if (guidance.scale === 1) return (x, t) => network(x, t, labels);
  const nullLabels = tf.fill([labels.size], config.classes, 'int32');
  return classifierFreeField(guidance, network, labels, nullLabels);
}
