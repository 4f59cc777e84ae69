import { type SiTConfig, sitParameters } from '../../src/models/sit/config.js';
import { openSitSession, sit } from '../../src/models/sit/sit.js';
import type { Parameter } from '../../src/nn/parameter.js';
import { initialValues, madeValues } from '../../src/nn/parameters.js';
import { samplingWeights, sdeSampler } from '../../src/sampling/index.js';
import {
  CompiledProgram,
  float32,
  type HostTensor,
  int32,
  randomNormal,
  type RuntimeOptions,
  scalar,
  type Session,
  type SessionVariable,
  sizeOf,
  streamKey,
  type Tensor,
  type Tensor1D,
  type Tensor4D,
  type Variables,
  type VariableUse,
  VariableStore,
  type WorkerServer,
} from '../../src/tensorflow/index.js';
import { diffusionLoss, type LatentInputs, type RandomInputs } from '../../src/training/diffusion-loss.js';
import { SessionTrainer } from '../../src/training/session-trainer.js';
import { defaultTrainEpsilon, timeInterval, transportOf } from '../../src/transport/index.js';

/** Workload that is measured: a model, the number of samples a call, and how they are computed. */
export interface Workload {
  readonly model: SiTConfig;
  readonly batch: number;
  readonly runtime: RuntimeOptions;
  /** Server of this process, where several train together: `batch` is then its share. */
  readonly server?: WorkerServer | undefined;
  /** True when the training step computes blocks anew for their gradients. */
  readonly recompute?: boolean;
  /** Parts in which the training step computes its batch. */
  readonly accumulate?: number;
}

/** A measured piece of work, ready to be repeated. */
export interface Work {
  run(): Promise<unknown>;
  readonly session: Session;
}

/** Opens a session as stages do, on the native library. */
export function openSession(runtime: RuntimeOptions, server?: WorkerServer): Session {
  return openSitSession(runtime, server) as Session;
}

/** Transport of the measured models: velocities along straight paths, as in the paper. */
export const choice = { interpolant: 'linear', prediction: 'velocity' } as const;

/** The network alone, without gradients. */
export async function forward({ model, batch, runtime }: Workload): Promise<Work> {
  const session = openSession(runtime);
  const program = new CompiledProgram(
    session,
    ({ x, t, y }: { x: Tensor4D; t: Tensor1D; y: Tensor1D }, weights) => ({
      value: sit(weights, model, x, t, y),
    }),
    await sampledWeights(session, model),
  );
  const inputs = { x: latents(model, batch), t: times(batch), y: labels(model, batch) };
  return { session, run: () => program.call(inputs) };
}

/** A step of Euler–Maruyama as the `sample` stage takes it, without guidance. */
export async function samplingStep({ model, batch, runtime }: Workload): Promise<Work> {
  const session = openSession(runtime);
  const transport = transportOf(choice);
  // A type, not an interface: it is a program's record of inputs.
  // eslint-disable-next-line @typescript-eslint/consistent-type-definitions
  type Inputs = {
    x: Tensor4D;
    t: Tensor1D;
    dt: Tensor;
    y: Tensor1D;
    noiseKey: Tensor1D;
    firstSample: Tensor1D;
  };
  const program = new CompiledProgram(
    session,
    ({ x, t, dt, y, noiseKey, firstSample }: Inputs, weights) => {
      const field = (x: Tensor, t: Tensor) => sit(weights, model, x as Tensor4D, t as Tensor1D, y);
      const { step } = sdeSampler(
        transport,
        { method: 'eulerMaruyama', diffusion: 'sigma', lastStep: 'mean' },
        field,
      );
      const noise = randomNormal(noiseKey, firstSample, batch, x.shape.slice(1));
      return { x: step({ x, t, dt, noise }).x };
    },
    await sampledWeights(session, model),
  );
  const inputs = {
    x: latents(model, batch),
    t: times(batch),
    dt: scalar(0.004),
    y: labels(model, batch),
    noiseKey: streamKey(0, 'sample noise', 0),
    firstSample: int32([1], Int32Array.of(0)),
  };
  return { session, run: () => program.call(inputs) };
}

/** A training step as the `train` stage takes it: loss, gradients, AdamW and the moving average. */
export async function trainStep({
  model,
  batch,
  runtime,
  server,
  recompute,
  accumulate: parts = 1,
}: Workload): Promise<Work> {
  const session = openSession(runtime, server);
  const parameters = sitParameters(model);
  const shape = [batch, model.latentSize, model.latentSize, model.channels];
  const options = {
    transport: { ...transportOf(choice), lossWeight: 'none' as const },
    interval: timeInterval(choice, defaultTrainEpsilon(choice)),
    timestepSampling: { kind: 'uniform' as const },
    timestepShift: 1,
    normalization: {
      mean: new Array<number>(model.channels).fill(0),
      std: new Array<number>(model.channels).fill(1),
    },
    labelDropout: model.labelDropout,
    nullClass: model.classes,
  };
  const key = streamKey(0, 'key', 0);
  const batchOf: Record<string, HostTensor> = {
    mean: latents(model, batch),
    std: float32(shape, new Float32Array(sizeOf(shape)).fill(0.1)),
    labels: labels(model, batch),
    ...{ posteriorKey: key, noiseKey: key, timeKey: key, dropoutKey: key },
    firstSample: int32([1], Int32Array.of(0)),
  };
  const trainer = new SessionTrainer(session, {
    parameters,
    inputs: batchOf,
    loss: (inputs, weights) => {
      const { mean, std, labels: y, ...keys } = inputs as unknown as LatentInputs & RandomInputs;
      const field = (x: Tensor4D, t: Tensor1D, y: Tensor1D) =>
        sit(weights, model, x, t, y, undefined, recompute);
      return { loss: diffusionLoss(field, { mean, std, labels: y }, keys, options).losses.mean() };
    },
    optimizer: { betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0 },
    averageDecays: [0.9999],
    gradientClip: 0,
    accumulation:
      parts === 1 ? undefined : { parts, perSample: ['mean', 'std', 'labels'], firstSample: 'firstSample' },
  });
  await trainer.start(madeValues(parameters, 0));
  let updates = 0;
  return { session, run: () => trainer.step(batchOf, 1e-4, updates++) };
}

async function sampledWeights(session: Session, model: SiTConfig): Promise<Variables> {
  const weights = await weightsIn(session, sitParameters(model), 0, { constant: true });
  return (await samplingWeights(session, model, weights)) as Variables;
}

/** New variables with random start values, by name. */
export async function weightsIn(
  session: Session,
  parameters: readonly Parameter[],
  seed = 0,
  use: VariableUse = {},
): Promise<Record<string, SessionVariable>> {
  const valueOf = initialValues(parameters, seed);
  const variables = parameters.map(({ name, shape, factor }) =>
    session.variable(name, shape, { factor, ...use }),
  );
  await new VariableStore(session, variables).write(({ name }) => valueOf(name));
  return Object.fromEntries(parameters.map(({ name }, i) => [name, variables[i]!]));
}

function latents({ latentSize, channels }: SiTConfig, batch: number): HostTensor {
  const shape = [batch, latentSize, latentSize, channels];
  // Any numbers of about unit size do.
  return float32(
    shape,
    Float32Array.from({ length: sizeOf(shape) }, (_, i) => 1.5 * Math.sin(i * i + 1)),
  );
}

function times(batch: number): HostTensor {
  return float32(
    [batch],
    Float32Array.from({ length: batch }, (_, i) => (i + 0.5) / batch),
  );
}

function labels({ classes }: SiTConfig, batch: number): HostTensor {
  return int32(
    [batch],
    Int32Array.from({ length: batch }, (_, i) => (i * 37) % classes),
  );
}
