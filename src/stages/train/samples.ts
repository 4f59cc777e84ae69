import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileWhole } from '../../base/output-file.js';
import { imageGrid, writePng } from '../../data/images/png.js';
import type { RgbImage } from '../../data/images/rgb-image.js';
import type { TrainConfig } from '../../generated/index.js';
import type { SiTConfig } from '../../models/sit/config.js';
import { sitParameters } from '../../models/sit/parameters.js';
import { openSitSession, sit } from '../../models/sit/sit.js';
import type { StageContext } from '../../runner/stage.js';
import {
  classifierFreeField,
  fixedStepMethods,
  type Guidance,
  integrate,
  stepInputs,
  uniformTimes,
} from '../../sampling/index.js';
import { float32, type HostTensor, int32 } from '../../tensorflow/data-types.js';
import {
  compile,
  type HostTensors,
  newVariables,
  openStore,
  randomNormal,
  type RuntimeOptions,
  streamKey,
  type Tensor,
  type Tensor1D,
  type Tensor4D,
  type Tensors,
  tf,
} from '../../tensorflow/index.js';
import type { Normalization } from '../../training/diffusion-loss.js';
import type { Trainer } from '../../training/trainer.js';
import {
  defaultSampleEpsilon,
  timeInterval,
  transportOf,
  type VectorField,
  velocityField,
} from '../../transport/index.js';
import type { TransportChoice } from '../../transport/names.js';
import { Autoencoder } from '../../weights/saved-autoencoder.js';
import { Decoder } from '../sample/decoder.js';
import { picturesName } from '../training/files.js';
import type { TrainingPictures } from '../training/stream.js';

/** Options of the pictures that a training stage draws while it trains. */
interface SampleGridsOptions {
  readonly config: TrainConfig;
  readonly samples: NonNullable<TrainConfig['samples']>;
  readonly model: SiTConfig;
  readonly normalization: Normalization;
}

const filePattern = /^step-(\d{9})\.png$/;

/**
 * Grids of samples of the moving average at steps of training, in `samples/` of the stage's output with an index. Each
 * is a function of the state at its step: a run that resumes draws the same ones.
 */
export class SampleGrids implements TrainingPictures {
  private readonly folder: string;

  constructor(
    private readonly options: SampleGridsOptions,
    private readonly context: StageContext,
  ) {
    this.folder = join(context.directory, picturesName);
  }

  isDue(step: number): boolean {
    return step % this.options.samples.everySteps === 0;
  }

  async has(step: number): Promise<boolean> {
    return (await this.steps()).includes(step);
  }

  /** Removes what was drawn after a step. */
  async rewind(step: number): Promise<void> {
    for (const drawn of await this.steps()) if (drawn > step) await rm(join(this.folder, fileOf(drawn)));
  }

  async draw(trainer: Trainer, step: number): Promise<string> {
    const { samples, model, config } = this.options;
    const { seed, runtime, workers, signal } = this.context;
    const weights = Object.fromEntries(await collect(trainer.read('average')));
    const latents = await drawLatents(
      weights,
      {
        ...{ model, transport: config, seed, steps: samples.steps },
        labels: spreadLabels(samples.count, model.classes),
        guidance: { scale: samples.guidanceScale, channels: samples.guidanceChannels },
      },
      runtime,
      // Several workers stop at the step that they agree on, which may be the next: this one's picture is then due.
      workers === undefined ? signal : new AbortController().signal,
    );
    const tiles = await this.decode(latents);
    await mkdir(this.folder, { recursive: true });
    const columns = Math.ceil(Math.sqrt(samples.count));
    await writePng(join(this.folder, fileOf(step)), imageGrid(tiles, { columns }));
    const grids = (await this.steps()).map((drawn) => ({ step: drawn, file: fileOf(drawn) }));
    await writeFileWhole(join(this.folder, 'index.json'), JSON.stringify({ grids }, undefined, 1) + '\n');
    return `${picturesName}/${fileOf(step)}`;
  }

  private async decode({ shape, data }: HostTensor): Promise<RgbImage[]> {
    const { samples, normalization } = this.options;
    const { directory } = this.context.input(samples.autoencoder);
    const autoencoder = await Autoencoder.open(directory, this.context.runtime);
    try {
      const values = denormalized(data as Float32Array, normalization);
      return await new Decoder(autoencoder, samples.count).decode(float32(shape, values));
    } finally {
      await autoencoder.close();
    }
  }

  /** Steps that have been drawn, ascending. */
  private async steps(): Promise<number[]> {
    const names = await readdir(this.folder).catch(() => []);
    return names
      .flatMap((name) => filePattern.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((a, b) => a - b);
  }
}

function fileOf(step: number): string {
  return `step-${String(step).padStart(9, '0')}.png`;
}

/** Classes in turn, or some spread over all where there are fewer samples than classes. */
function spreadLabels(count: number, classes: number): Int32Array {
  return Int32Array.from({ length: count }, (_, i) =>
    count >= classes ? i % classes : Math.floor((i * classes) / count),
  );
}

function denormalized(values: Float32Array, { mean, std }: Normalization): Float32Array {
  const channels = mean.length;
  return values.map((value, i) => value * std[i % channels]! + mean[i % channels]!);
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** Best method for few steps: second order, and no noise that would hide what changes from one picture to the next. */
const method = { kind: 'ode', method: 'heun' } as const;

interface DrawOptions {
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
async function drawLatents(
  weights: HostTensors,
  options: DrawOptions,
  runtime: RuntimeOptions,
  signal: AbortSignal,
): Promise<HostTensor> {
  const { model, transport, labels, steps, seed } = options;
  const session = openSitSession(runtime);
  try {
    const variables = newVariables(session, sitParameters(model));
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
        x: fixedStepMethods.heun.step(
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
