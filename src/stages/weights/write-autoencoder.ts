import { join } from 'node:path';
import { autoencoderParameters } from '../../models/autoencoder-kl/parameters.js';
import { writeSavedAutoencoder } from '../autoencoder/saved-file.js';
import type { AutoencoderSource } from './autoencoder-source.js';
import { type Tell, writeParameters } from './write-parameters.js';

const weightsName = 'weights.safetensors';

/** Writes an autoencoder as the `autoencoder` stage leaves it, one tensor at a time in memory. */
export async function writeAutoencoder(
  source: AutoencoderSource,
  directory: string,
  { tell, signal }: { readonly tell: Tell; readonly signal: AbortSignal },
): Promise<void> {
  const parameters = autoencoderParameters(source.config);
  let done = 0;
  const written = (): void => {
    tell(++done, parameters.length);
  };
  await writeParameters(join(directory, weightsName), parameters, (parameter) => source.read(parameter), {
    written,
    signal,
  });
  await writeSavedAutoencoder(directory, {
    config: source.config,
    weights: weightsName,
    scalingFactor: source.scalingFactor,
  });
}
