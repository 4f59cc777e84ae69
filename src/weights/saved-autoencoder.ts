import { mustBePath } from '../base/errors.js';
import { join } from 'node:path';
import { openTensors } from '../formats/safetensors/shards.js';
import { decode, encode } from '../models/autoencoder-kl/autoencoder-kl.js';
import { type AutoencoderConfig, downsampleOf, type PartialScale } from '../models/autoencoder-kl/config.js';
import { computeBytes, defaultMemoryMiB, partition } from '../models/autoencoder-kl/memory.js';
import type { AutoencoderWork } from '../models/autoencoder-kl/memory.js';
import { autoencoderParameters } from '../models/autoencoder-kl/parameters.js';
import { computeTiled, decodingGrid, encodingGrid } from '../models/autoencoder-kl/tiling.js';
import { numbersIn, type Parameter } from '../nn/parameter.js';
import {
  type BatchAxes,
  compile,
  type Compiled,
  float32,
  floats,
  type HostTensor,
  type HostTensors,
  joinedRows,
  newVariables,
  openSession,
  openStore,
  type ProgramSession,
  type ProgramVariable,
  type RuntimeOptions,
  type Tensor4D,
} from '../tensorflow/index.js';
import type { Normalization } from '../training/diffusion-loss.js';
import { scaledNormalization } from './model-source.js';
import type { WeightsReader } from './model-weights.js';
import { readSavedAutoencoder } from './saved-files.js';

const encodeAxes: BatchAxes = { inputs: { images: 0 }, outputs: { mean: 0, logVariance: 0 } };
const decodeAxes: BatchAxes = { inputs: { latents: 0 }, outputs: { images: 0 } };

/** A trained autoencoder, ready to run. Close it after use. */
export class Autoencoder {
  private constructor(
    readonly config: AutoencoderConfig,
    private readonly scale: PartialScale,
    private readonly memoryMiB: number,
    private readonly session: ProgramSession,
    private readonly encoder: Compiled<{ images: Tensor4D }, { mean: Tensor4D; logVariance: Tensor4D }>,
    private readonly decoder: Compiled<{ latents: Tensor4D }, { images: Tensor4D }>,
  ) {}

  /** Opens the output of an `autoencoder` stage. */
  static async open(
    directory: string,
    options: RuntimeOptions = {},
    memoryMiB = defaultMemoryMiB,
  ): Promise<Autoencoder> {
    mustBePath(directory, 'An autoencoder');
    const { config, weights: saved, scalingFactor, shiftFactor } = await readSavedAutoencoder(directory);
    const session = openSession(options);
    const weights = await loadWeights(session, autoencoderParameters(config), join(directory, saved));
    return new Autoencoder(
      config,
      { scalingFactor, shiftFactor },
      memoryMiB,
      session,
      compile(({ images }, w) => ({ ...encode(w, config, images) }), { session, weights, batch: encodeAxes }),
      compile(({ latents }, w) => ({ images: decode(w, config, latents) }), {
        session,
        weights,
        batch: decodeAxes,
      }),
    );
  }

  /** Normalization of its latents for training; nothing where they are normalised by their own statistics. */
  get normalization(): Normalization | undefined {
    const { config, scale } = this;
    return scale.scalingFactor === undefined ? undefined : scaledNormalization(config.latentChannels, scale);
  }

  /** Images [batch, size, size, 3] in [-1, 1] to the posterior over latents. */
  encode(images: HostTensor): Promise<Readonly<Record<'mean' | 'logVariance', HostTensor>>> {
    return this.computed('encode', images, (part) => this.encoder.call({ images: part }));
  }

  /** Bytes that encoding images of the given side needs at most, weights included: an estimate. */
  encodingBytes(count: number, side: number): number {
    const weights = 4 * numbersIn(autoencoderParameters(this.config));
    const each = computeBytes(this.config, 'encode', (side / downsampleOf(this.config)) ** 2);
    return weights + Math.min(count * each, this.memoryMiB * 2 ** 20);
  }

  /** Latents [batch, height, width, channels] to images, near [-1, 1] but not clipped. */
  async decode(latents: HostTensor): Promise<HostTensor> {
    return (await this.computed('decode', latents, (part) => this.decoder.call({ latents: part }))).images;
  }

  close(): Promise<void> {
    return this.session.close();
  }

  /** Computes within the memory bound: a few images at a time, and one that needs more in tiles. */
  private async computed<Name extends string>(
    work: AutoencoderWork,
    input: HostTensor,
    compute: (part: HostTensor) => Promise<Readonly<Record<Name, HostTensor>>>,
  ): Promise<Readonly<Record<Name, HostTensor>>> {
    const [count, height, width] = input.shape as [number, number, number];
    const downsample = downsampleOf(this.config);
    const scale = work === 'encode' ? 1 / downsample : 1;
    const { atOnce, tile } = partition(this.config, work, [height * scale, width * scale], this.memoryMiB);
    if (count <= atOnce && tile === undefined) return compute(input);
    const gridOf = work === 'encode' ? encodingGrid : decodingGrid;
    const grid = tile === undefined ? undefined : gridOf(tile, downsample);
    const parts = [];
    for (let first = 0; first < count; first += atOnce) {
      const part = rowsOf(input, first, Math.min(first + atOnce, count));
      parts.push(grid === undefined ? await compute(part) : await computeTiled(part, grid, compute));
    }
    return joined(parts);
  }
}

/** Selects some images of a batch. */
function rowsOf(input: HostTensor, first: number, end: number): HostTensor {
  const [count, ...shape] = input.shape as [number, ...number[]];
  const size = input.data.length / count;
  return float32([end - first, ...shape], floats(input).slice(first * size, end * size));
}

/** Results of parts of a batch as those of the whole. */
function joined<Name extends string>(
  parts: readonly Readonly<Record<Name, HostTensor>>[],
): Record<Name, HostTensor> {
  const names = Object.keys(parts[0]!) as Name[];
  return Object.fromEntries(
    names.map((name) => [name, joinedRows(parts.map((part) => part[name]))]),
  ) as Record<Name, HostTensor>;
}

/** Reads a model's parameters from a file of tensors of the same names. */
export async function readWeights(path: string, parameters: readonly Parameter[]): Promise<HostTensors> {
  const file = await openTensors(path);
  try {
    const weights: Record<string, HostTensor> = {};
    for (const { name, shape } of parameters) weights[name] = float32(shape, await file.readFloat32(name));
    return weights;
  } finally {
    await file.close();
  }
}

/**
 * Makes variables of a model's parameters in a session and sets them, once and for all, from a file of tensors of the
 * same names. Where products compute in bfloat16, what they alone take is kept so.
 *
 * @param weights path of the file, or what opens such weights
 */
export async function loadWeights(
  session: ProgramSession,
  parameters: readonly Parameter[],
  weights: string | (() => Promise<WeightsReader>),
): Promise<Record<string, ProgramVariable>> {
  const variables = newVariables(
    session,
    parameters.map((parameter) => ({ ...parameter, constant: true })),
  );
  const file = await (typeof weights === 'string' ? openTensors(weights) : weights());
  try {
    await openStore(session, variables).write(async ({ name, shape }) =>
      float32(shape, await file.readFloat32(name)),
    );
  } finally {
    await file.close();
  }
  return Object.fromEntries(variables.map((variable) => [variable.name, variable]));
}
