import { bitsPerDimension, likelihoodState, logLikelihood, pathOf, takeRows } from '../../sampling/index.js';
import type { FollowPath, PathInputs, PathOptions, PhaseSwitch } from '../../sampling/index.js';
import {
  compile,
  float32,
  int32,
  randomNormal,
  randomUniform,
  sizeOf,
  streamKey,
} from '../../tensorflow/index.js';
import type { Compiled, HostTensor, ProgramSession, Tensor1D } from '../../tensorflow/index.js';
import type { Normalization } from '../../training/diffusion-loss.js';

/** Samples that are made together: some of a range of consecutive numbers. */
export interface SampleBatch {
  /** Number of the range's first sample. */
  readonly first: number;
  /** Samples in the range. */
  readonly size: number;
  /** Places in the range of those that are made, ascending. */
  readonly rows: readonly number[];
  /** Class of each that is made. */
  readonly labels: Int32Array;
}

/** Listeners while a batch is made. */
interface SamplingOptions {
  readonly signal?: AbortSignal;
  /** Callback with the share of the batch's work that is done. */
  readonly onProgress?: (share: number) => void;
  /** Callback with the normalised latents after each step, as paths call it. */
  readonly onState?: NonNullable<PathInputs['onState']>;
}

/** Latents `[samples, size, size, channels]` as the autoencoder decodes them, and what is known about each. */
export interface DrawnBatch {
  readonly latents: HostTensor;
  /** Steps that each sample took. */
  readonly steps: readonly number[];
  readonly switches: readonly PhaseSwitch[];
  /** Bits per dimension of each sample, where they are measured. */
  readonly bitsPerDimension?: readonly number[];
  /** Noise that latents of images were carried to, `[samples, size, size, channels]`. */
  readonly noise?: HostTensor;
}

/** Options of a sampler. */
interface SamplerOptions extends Omit<PathOptions, 'reverse' | 'density'> {
  readonly seed: number;
  /** Normalization of the models' latents. */
  readonly normalization: Normalization;
  /** True to measure likelihoods. Only for ODEs. */
  readonly likelihood?: boolean;
  /** True to carry latents of images to noise. Only for ODEs. */
  readonly goesBack?: boolean;
}

/**
 * Draws latents from trained models. Sample i is a function of the seed and of i: what else is drawn in its batch does
 * not matter.
 */
export class Sampler {
  private readonly session: ProgramSession;
  private readonly numbers: RandomNumbers;
  private readonly normalization: Normalization;
  private readonly forward: FollowPath;
  private readonly back: FollowPath | undefined;
  private readonly likelihood: boolean;

  /** @param options whose networks' weights are in the session; `close` closes it */
  constructor(options: SamplerOptions) {
    const { session, networks, normalization, seed, likelihood = false, goesBack = likelihood } = options;
    const { latentSize, channels } = networks[0]!.model.config;
    this.session = session;
    this.numbers = new RandomNumbers(session, seed, [latentSize, latentSize, channels]);
    this.normalization = normalization;
    this.likelihood = likelihood;
    this.forward = pathOf(options);
    this.back = goesBack ? pathOf({ ...options, reverse: true, density: likelihood }) : undefined;
  }

  /** Draws from noise. */
  async draw(batch: SampleBatch, options: SamplingOptions = {}): Promise<DrawnBatch> {
    const { likelihood } = this;
    const start = takeRows(await this.numbers.normal('sample start', batch), batch.rows);
    const share = likelihood ? 0.5 : 1;
    const { x, ...path } = await this.forward({
      ...this.inputs(batch, start, partOf(options, 0, share)),
      ...watching(options),
    });
    const latents = this.denormalised(x);
    if (!likelihood) return { latents, ...path };
    const measured = await this.measure(batch, x, partOf(options, share, 1));
    return { latents, ...path, bitsPerDimension: measured.bitsPerDimension! };
  }

  /** Carries latents of images (normalised here) to noise, and draws them again from there. */
  async redraw(batch: SampleBatch, data: HostTensor, options: SamplingOptions = {}): Promise<DrawnBatch> {
    const { noise, bitsPerDimension } = await this.measure(
      batch,
      this.normalised(data),
      partOf(options, 0, 0.5),
    );
    const { x, ...path } = await this.forward({
      ...this.inputs(batch, noise, partOf(options, 0.5, 1)),
      ...watching(options),
    });
    return {
      latents: this.denormalised(x),
      ...path,
      noise,
      ...(bitsPerDimension && { bitsPerDimension }),
    };
  }

  /** Latents as the autoencoder knows them. */
  denormalised({ shape, data }: HostTensor): HostTensor {
    const { mean, std } = this.normalization;
    const channels = mean.length;
    return float32(
      shape,
      Float32Array.from(data as Float32Array, (value, i) => value * std[i % channels]! + mean[i % channels]!),
    );
  }

  /** Mean absolute difference of two batches of latents, in units of normalised ones. */
  meanDifference(a: HostTensor, b: HostTensor): number {
    const { std } = this.normalization;
    let sum = 0;
    for (let i = 0; i < a.data.length; i++) sum += Math.abs(a.data[i]! - b.data[i]!) / std[i % std.length]!;
    return sum / a.data.length;
  }

  close(): Promise<void> {
    return this.session.close();
  }

  /** Follows the ODE back to the noise, with the density where it is wanted. */
  private async measure(
    batch: SampleBatch,
    x: HostTensor,
    options: SamplingOptions,
  ): Promise<{ noise: HostTensor; bitsPerDimension?: readonly number[] }> {
    const inputs = this.inputs(batch, x, options);
    if (!this.likelihood) return { noise: (await this.back!(inputs)).x };
    const probe = takeRows(await this.numbers.signs('likelihood probe', batch), batch.rows);
    const { x: state } = await this.back!({
      ...inputs,
      init: likelihoodState(x),
      perSample: { ...inputs.perSample, probe },
    });
    const size = sizeOf(x.shape.slice(1));
    const samples = batch.rows.length;
    const noise = new Float32Array(samples * size);
    for (let row = 0; row < samples; row++)
      noise.set(state.data.subarray(row * (size + 1), row * (size + 1) + size), row * size);
    const volume = this.logVolume(x.shape);
    const bits = Array.from(logLikelihood(state), (value) => bitsPerDimension(value - volume, size));
    return { noise: float32(x.shape, noise), bitsPerDimension: bits };
  }

  private inputs(batch: SampleBatch, init: HostTensor, options: SamplingOptions): PathInputs {
    const { rows, labels } = batch;
    let drawn: { readonly step: number; readonly noise: Promise<HostTensor> } | undefined;
    return {
      ...options,
      init,
      perSample: { labels: int32([labels.length], labels) },
      noise: (step) => {
        if (drawn?.step !== step) {
          const noise = this.numbers.normal('sample noise', batch, step).then((all) => takeRows(all, rows));
          drawn = { step, noise };
        }
        return drawn.noise;
      },
    };
  }

  private normalised({ shape, data }: HostTensor): HostTensor {
    const { mean, std } = this.normalization;
    const channels = mean.length;
    return float32(
      shape,
      Float32Array.from(
        data as Float32Array,
        (value, i) => (value - mean[i % channels]!) / std[i % channels]!,
      ),
    );
  }

  /** Logarithm of how much larger a volume is in latents than in normalised ones. */
  private logVolume([, height = 1, width = 1]: readonly number[]): number {
    return height * width * this.normalization.std.reduce((sum, std) => sum + Math.log(std), 0);
  }
}

/** The options for a part of the work, which nobody watches. */
function partOf({ onProgress, signal }: SamplingOptions, from: number, to: number): SamplingOptions {
  return {
    ...(signal && { signal }),
    ...(onProgress && {
      onProgress: (share: number) => {
        onProgress(from + share * (to - from));
      },
    }),
  };
}

function watching({ onState }: SamplingOptions): Pick<SamplingOptions, 'onState'> {
  return onState === undefined ? {} : { onState };
}

// A type, not an interface: it is a program's record of inputs.
// eslint-disable-next-line @typescript-eslint/consistent-type-definitions
type DrawInputs = { key: Tensor1D; first: Tensor1D; samples: Tensor1D };

/** Random numbers for ranges of samples: those of a sample depend on the seed, the purpose, the step and its number. */
class RandomNumbers {
  private readonly normals: Compiled<DrawInputs, { values: ReturnType<typeof randomNormal> }>;
  private readonly uniforms: Compiled<DrawInputs, { values: ReturnType<typeof randomUniform> }>;

  /** @param shape of one sample's numbers */
  constructor(
    session: ProgramSession,
    private readonly seed: number,
    shape: readonly number[],
  ) {
    const drawn = (draw: typeof randomNormal) =>
      compile(
        ({ key, first, samples }: DrawInputs) => ({
          values: draw(key, first, samples.size, shape),
        }),
        { session },
      );
    this.normals = drawn(randomNormal);
    this.uniforms = drawn(randomUniform);
  }

  /** Standard normal numbers for every sample of a range, `[size, …]`. */
  async normal(purpose: string, range: Range, step = 0): Promise<HostTensor> {
    return (await this.normals.call(this.inputs(purpose, range, step))).values;
  }

  /** 1 or -1, equally often. */
  async signs(purpose: string, range: Range, step = 0): Promise<HostTensor> {
    const { shape, data } = (await this.uniforms.call(this.inputs(purpose, range, step))).values;
    return float32(
      shape,
      Float32Array.from(data as Float32Array, (value) => (value < 0.5 ? -1 : 1)),
    );
  }

  private inputs(purpose: string, { first, size }: Range, step: number) {
    return {
      key: streamKey(this.seed, purpose, step),
      first: int32([1], Int32Array.of(first)),
      // Only its length matters: it is what the program is traced for.
      samples: int32([size], new Int32Array(size)),
    };
  }
}

interface Range {
  /** Number of the first sample. */
  readonly first: number;
  readonly size: number;
}

/** Batches of one of several workers: a matter of their place alone, so that all of them agree. */
export function batchesOfWorker(
  batches: readonly SampleBatch[],
  batch: number,
  { rank, size }: { readonly rank: number; readonly size: number },
): SampleBatch[] {
  return batches.filter(({ first }) => Math.floor(first / batch) % size === rank);
}

/**
 * The batches that make the samples which are missing. Ranges of samples are always the same, so that what a sample is
 * made of does not depend on what is missing.
 */
export function missingBatches(
  labels: Int32Array,
  batch: number,
  isThere: (sample: number) => boolean,
): SampleBatch[] {
  const batches: SampleBatch[] = [];
  for (let first = 0; first < labels.length; first += batch) {
    const size = Math.min(batch, labels.length - first);
    const rows = Array.from({ length: size }, (_, row) => row).filter((row) => !isThere(first + row));
    if (rows.length > 0)
      batches.push({ first, size, rows, labels: Int32Array.from(rows, (row) => labels[first + row]!) });
  }
  return batches;
}
