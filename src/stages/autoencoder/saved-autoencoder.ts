import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileWhole } from '../../files/output-file.js';
import { decode, encode } from '../../models/autoencoder-kl/autoencoder-kl.js';
import type { AutoencoderConfig } from '../../models/autoencoder-kl/config.js';
import { autoencoderParameters } from '../../models/autoencoder-kl/parameters.js';
import {
  type BatchAxes,
  type Compiled,
  type HostTensor,
  type ProgramSession,
  type RuntimeOptions,
  type Tensor4D,
  compile,
  openSession,
} from '../../tensorflow/index.js';
import { loadWeights } from '../load-weights.js';

/** What an autoencoder is saved as: `autoencoder.json`, with its weights in a file beside it. */
interface SavedAutoencoder {
  readonly format: 'autoencoder-1';
  readonly config: AutoencoderConfig;
  /** Path of the weights, relative to the file. */
  readonly weights: string;
  /** What its latents are multiplied by for training; absent where they are normalised by their own statistics. */
  readonly scalingFactor?: number | undefined;
}

export const autoencoderFileName = 'autoencoder.json';

const encodeAxes: BatchAxes = { inputs: { images: 0 }, outputs: { mean: 0, logVariance: 0 } };
const decodeAxes: BatchAxes = { inputs: { latents: 0 }, outputs: { images: 0 } };

export async function writeSavedAutoencoder(
  directory: string,
  saved: Omit<SavedAutoencoder, 'format'>,
): Promise<void> {
  const content: SavedAutoencoder = { format: 'autoencoder-1', ...saved };
  await writeFileWhole(join(directory, autoencoderFileName), JSON.stringify(content, undefined, 1) + '\n');
}

export async function readSavedAutoencoder(directory: string): Promise<SavedAutoencoder> {
  return JSON.parse(await readFile(join(directory, autoencoderFileName), 'utf8')) as SavedAutoencoder;
}

/** A trained autoencoder, ready to run. Close it after use. */
export class Autoencoder {
  private constructor(
    readonly config: AutoencoderConfig,
    /** What its latents are multiplied by for training; absent where they are normalised by their own statistics. */
    readonly scalingFactor: number | undefined,
    private readonly session: ProgramSession,
    private readonly encoder: Compiled<{ images: Tensor4D }, { mean: Tensor4D; logVariance: Tensor4D }>,
    private readonly decoder: Compiled<{ latents: Tensor4D }, { images: Tensor4D }>,
  ) {}

  /** Opens the output of an `autoencoder` stage. */
  static async open(directory: string, options: RuntimeOptions): Promise<Autoencoder> {
    const { config, weights: saved, scalingFactor } = await readSavedAutoencoder(directory);
    const session = openSession(options);
    const weights = await loadWeights(session, autoencoderParameters(config), join(directory, saved));
    return new Autoencoder(
      config,
      scalingFactor,
      session,
      compile(({ images }, w) => ({ ...encode(w, config, images) }), { session, weights, batch: encodeAxes }),
      compile(({ latents }, w) => ({ images: decode(w, config, latents) }), {
        session,
        weights,
        batch: decodeAxes,
      }),
    );
  }

  /** Images [batch, size, size, 3] in [-1, 1] to the posterior over latents. */
  encode(images: HostTensor): Promise<Readonly<Record<'mean' | 'logVariance', HostTensor>>> {
    return this.encoder.call({ images });
  }

  /** Latents [batch, height, width, channels] to images, near [-1, 1] but not clipped. */
  async decode(latents: HostTensor): Promise<HostTensor> {
    return (await this.decoder.call({ latents })).images;
  }

  close(): Promise<void> {
    return this.session.close();
  }
}
