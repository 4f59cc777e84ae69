import { join } from 'node:path';
import { sitParameters } from '../../models/sit/parameters.js';
import { writeSavedModel } from '../train/saved-model.js';
import type { ModelSource, WeightSet } from './model-source.js';
import { type Tell, writeParameters } from './write-parameters.js';

const fileNames = { raw: 'weights.safetensors', ema: 'ema.safetensors' } as const;

/**
 * Writes a model as a training stage leaves it: `model.json` and its weights, one tensor at a time in memory. A model
 * without an average of its own has one file for both.
 */
export async function writeSaved(
  source: ModelSource,
  directory: string,
  { tell, signal }: { readonly tell: Tell; readonly signal: AbortSignal },
): Promise<void> {
  const parameters = sitParameters(source.description.config);
  const sets = source.hasAverage ? (['raw', 'ema'] as const) : (['raw'] as const);
  let done = 0;
  const written = (): void => {
    tell(++done, sets.length * parameters.length);
  };
  const write = (set: WeightSet & keyof typeof fileNames) =>
    writeParameters(join(directory, fileNames[set]), parameters, (parameter) => source.read(set, parameter), {
      written,
      signal,
    });
  for (const set of sets) await write(set);
  const weights = { raw: fileNames.raw, ema: source.hasAverage ? fileNames.ema : fileNames.raw };
  await writeSavedModel(directory, { ...source.description, weights });
}
