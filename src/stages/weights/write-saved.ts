import { join } from 'node:path';
import { writeSafetensors } from '../../data/safetensors/index.js';
import { sitParameters } from '../../models/sit/parameters.js';
import { writeSavedModel } from '../train/saved-model.js';
import type { ModelSource, WeightSet } from './model-source.js';

/** Called after each tensor that was written. */
export type Tell = (done: number, total: number) => void;

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
  const write = (set: WeightSet & keyof typeof fileNames) =>
    writeSafetensors(
      join(directory, fileNames[set]),
      parameters.map((parameter) => ({
        name: parameter.name,
        dtype: 'F32' as const,
        shape: parameter.shape,
        data: async () => {
          signal.throwIfAborted();
          const { data } = await source.read(set, parameter);
          tell(++done, sets.length * parameters.length);
          return data;
        },
      })),
    );
  for (const set of sets) await write(set);
  const weights = { raw: fileNames.raw, ema: source.hasAverage ? fileNames.ema : fileNames.raw };
  await writeSavedModel(directory, { ...source.description, weights });
}
