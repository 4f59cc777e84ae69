import { join } from 'node:path';
import { UserError } from '../base/errors.js';
import { openTogether } from '../base/resources.js';
import { openTensors, type TensorReader } from '../formats/safetensors/shards.js';
import { mostError, rebuiltTo, widthIn, widthsWithin } from '../training/averages.js';
import type { AverageProfile, Rebuilt } from '../training/averages.js';
import { modelFileName, type SavedModel } from './saved-files.js';

/** Tensors of a model's weights, read one at a time. Close it after use. */
export type WeightsReader = Pick<TensorReader, 'path' | 'tensors' | 'readFloat32' | 'close'>;

type Saved = Pick<SavedModel, 'weights' | 'snapshots'>;

/** An average that is put together from snapshots of others. */
export interface RebuiltAverage {
  /** Snapshots, relative to `model.json`, with their weights; the weights' sum is 1. */
  readonly parts: readonly { readonly path: string; readonly weight: number }[];
  /** Share of the average that they lack, as `Rebuilt` has it. */
  readonly error: number;
}

/**
 * The average of a name such as `power-0.08` that a model does not keep, from its snapshots; undefined where it keeps the
 * weights of that name, or has none of the kind.
 *
 * @throws UserError `average-out-of-reach` where the snapshots do not serve for it
 */
export function rebuiltAverage(model: string, saved: Saved, name: string): RebuiltAverage | undefined {
  const relativeWidth = widthIn(name);
  if (name in saved.weights || relativeWidth === undefined || saved.snapshots === undefined) return undefined;
  const all = saved.snapshots.flatMap(({ updates, weights }) =>
    Object.entries(weights).map(([average, path]) => ({
      profile: { updates, relativeWidth: widthIn(average)! },
      path,
    })),
  );
  const profiles = all.map(({ profile }) => profile);
  const { weights, error } = servingAverage(model, profiles, relativeWidth);
  const parts = weights.map((weight, i) => ({ path: all[i]!.path, weight }));
  // A weight that float32 does not tell from none is no reason to read a file.
  return { parts: parts.filter(({ weight }) => Math.abs(weight) > 1e-9), error };
}

/** The average of a relative width. @throws UserError `average-out-of-reach` where snapshots do not serve for it */
export function servingAverage(
  model: string,
  snapshots: readonly AverageProfile[],
  relativeWidth: number,
): Rebuilt {
  const found = rebuiltTo(snapshots, relativeWidth);
  if (found?.serves === true) return found;
  const within = widthsWithin(snapshots);
  const reason =
    found === undefined
      ? 'widths are above 0 and at most 0.288, where every step weighs as much'
      : `it would differ by ${(100 * found.error).toFixed(0)} % of itself, where ${100 * mostError} % may be`;
  throw new UserError({
    code: 'average-out-of-reach',
    message: `The snapshots of ${model} give no average of the relative width ${relativeWidth}: ${reason}.`,
    remedy: `${within === undefined ? '' : `Use a width from ${within[0]} to ${within[1]}. `}For narrower ones, take snapshots more often (\`snapshotEverySteps\`).`,
  });
}

/**
 * Opens the weights of a model by the name that a configuration gives them: a file, or an average that is rebuilt from
 * snapshots.
 *
 * @param model name in messages
 * @throws UserError `average-not-kept`, or as `rebuiltAverage` does
 */
export async function openModelWeights(
  model: string,
  directory: string,
  saved: Saved,
  name: string,
): Promise<WeightsReader> {
  const paths: Readonly<Record<string, string | undefined>> = saved.weights;
  const path = paths[name];
  if (path !== undefined) return openTensors(join(directory, path));
  const average = rebuiltAverage(model, saved, name);
  if (average !== undefined) return RebuiltWeights.open(directory, name, average);
  throw new UserError({
    code: 'average-not-kept',
    message: `${model} keeps no weights \`${name}\`; it has ${Object.keys(paths).join(', ')}.`,
    remedy: 'Use one of these.',
  });
}

class RebuiltWeights implements WeightsReader {
  private constructor(
    readonly path: string,
    private readonly files: readonly TensorReader[],
    private readonly weights: readonly number[],
  ) {}

  static open(directory: string, name: string, { parts }: RebuiltAverage): Promise<RebuiltWeights> {
    return openTogether(async (keep) => {
      const files: TensorReader[] = [];
      for (const { path } of parts) files.push(keep(await openTensors(join(directory, path))));
      const weights = parts.map(({ weight }) => weight);
      return new RebuiltWeights(`${join(directory, modelFileName)}#${name}`, files, weights);
    });
  }

  get tensors(): TensorReader['tensors'] {
    return this.files[0]!.tensors;
  }

  /** Sums in double precision: the weights of far narrower averages are large, and of both signs. */
  async readFloat32(name: string): Promise<Float32Array> {
    let sum: Float64Array | undefined;
    for (const [i, file] of this.files.entries()) {
      const values = await file.readFloat32(name);
      sum ??= new Float64Array(values.length);
      const weight = this.weights[i]!;
      for (let k = 0; k < values.length; k++) sum[k]! += weight * values[k]!;
    }
    return Float32Array.from(sum!);
  }

  async close(): Promise<void> {
    await Promise.all(this.files.map((file) => file.close()));
  }
}
