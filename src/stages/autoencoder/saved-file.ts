import { join } from 'node:path';
import { readInputText } from '../../files/input-file.js';
import { writeFileWhole } from '../../files/output-file.js';
import type { AutoencoderConfig } from '../../models/autoencoder-kl/config.js';

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

export async function writeSavedAutoencoder(
  directory: string,
  saved: Omit<SavedAutoencoder, 'format'>,
): Promise<void> {
  const content: SavedAutoencoder = { format: 'autoencoder-1', ...saved };
  await writeFileWhole(join(directory, autoencoderFileName), JSON.stringify(content, undefined, 1) + '\n');
}

export async function readSavedAutoencoder(directory: string): Promise<SavedAutoencoder> {
  return JSON.parse(await readInputText(join(directory, autoencoderFileName))) as SavedAutoencoder;
}
