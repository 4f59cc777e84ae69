import { join } from 'node:path';
import { writeSafetensors } from '../../data/safetensors/index.js';
import { autoencoderParameters } from '../../models/autoencoder-kl/parameters.js';
import { writeSavedAutoencoder } from '../autoencoder/saved-autoencoder.js';
import type { AutoencoderSource } from './autoencoder-source.js';
import type { Tell } from './write-saved.js';

const weightsName = 'weights.safetensors';

/** Writes an autoencoder as the `autoencoder` stage leaves it, one tensor at a time in memory. */
export async function writeAutoencoder(
  source: AutoencoderSource,
  directory: string,
  { tell, signal }: { readonly tell: Tell; readonly signal: AbortSignal },
): Promise<void> {
  const parameters = autoencoderParameters(source.config);
  let done = 0;
  await writeSafetensors(
    join(directory, weightsName),
    parameters.map((parameter) => ({
      name: parameter.name,
      dtype: 'F32' as const,
      shape: parameter.shape,
      data: async () => {
        signal.throwIfAborted();
        const { data } = await source.read(parameter);
        tell(++done, parameters.length);
        return data;
      },
    })),
  );
  await writeSavedAutoencoder(directory, {
    config: source.config,
    weights: weightsName,
    scalingFactor: source.scalingFactor,
  });
}
