import { UserError } from '../../base/errors.js';
import { NpzFile, writeNpz } from '../../formats/npz.js';
import type { FeatureStatistics } from '../../metrics/index.js';

/** Mean and covariance without the number of samples that they are of. */
export type Statistics = Omit<FeatureStatistics, 'count'>;

/** Names of the covariance that belongs to each mean, as the ADM evaluator has them; the last two pairs are ours. */
export const covarianceNames = {
  mu: 'sigma',
  mu_s: 'sigma_s',
  mu_efficientnet: 'sigma_efficientnet',
  mu_latent: 'sigma_latent',
} as const;
export type MeanName = keyof typeof covarianceNames;

/**
 * Reads a mean and a covariance from an `.npz`; nothing where it has neither.
 *
 * @throws UserError `file-missing`, `zip-invalid`, `npy-invalid`, `statistics-invalid`
 */
export async function readStatistics(
  path: string,
  meanName: string,
  covarianceName: string,
): Promise<Statistics | undefined> {
  const npz = await NpzFile.open(path);
  try {
    if (!npz.names.includes(meanName)) return undefined;
    const mean = await npz.read(meanName);
    const covariance = await npz.read(covarianceName);
    const [size] = mean.shape;
    const isReal = [mean, covariance].every(({ dtype }) => dtype === 'f4' || dtype === 'f8');
    const isMatrix = covariance.shape.length === 2 && covariance.shape.every((extent) => extent === size);
    if (!isReal || mean.shape.length !== 1 || !isMatrix)
      throw new UserError({
        code: 'statistics-invalid',
        message: `${path}: a mean [n] and a covariance [n, n] of float64 or float32 are expected; ${meanName} is ${mean.dtype} [${mean.shape.join(', ')}], ${covarianceName} is ${covariance.dtype} [${covariance.shape.join(', ')}].`,
        remedy: 'Compute the statistics again.',
      });
    const statistics = {
      mean: Float64Array.from(mean.data as Float64Array),
      covariance: { size: size!, data: Float64Array.from(covariance.data as Float64Array) },
    };
    const problem = problemOf(statistics);
    if (problem !== undefined)
      throw new UserError({
        code: 'statistics-invalid',
        message: `${path}: ${meanName} and ${covarianceName} are not a mean and a covariance: ${problem}.`,
        remedy: 'Compute the statistics again.',
      });
    return statistics;
  } finally {
    await npz.close();
  }
}

/** Share of the largest variance by which rounding may part the halves of a covariance. */
const asymmetry = 1e-5;

/** Finds out why numbers are no statistics of a distribution. */
function problemOf({ mean, covariance: { size, data } }: Statistics): string | undefined {
  const isBroken = (value: number) => !Number.isFinite(value);
  const broken = mean.find(isBroken) ?? data.find(isBroken);
  if (broken !== undefined) return `they hold ${broken}`;
  let largest = 0;
  for (let i = 0; i < size; i++) {
    const variance = data[i * size + i]!;
    if (variance < 0) return `number ${i} has the variance ${variance}`;
    largest = Math.max(largest, variance);
  }
  for (let i = 0; i < size; i++)
    for (let j = 0; j < i; j++)
      if (Math.abs(data[i * size + j]! - data[j * size + i]!) > asymmetry * largest)
        return `the covariance of ${i} and ${j} is not that of ${j} and ${i}`;
  return undefined;
}

/** Writes statistics as the ADM evaluator reads them. */
export async function writeStatistics(
  path: string,
  statistics: Readonly<Partial<Record<MeanName, Statistics>>>,
): Promise<void> {
  await writeNpz(
    path,
    Object.entries(statistics).flatMap(([name, { mean, covariance }]) => [
      { name, dtype: 'f8' as const, shape: [mean.length], data: mean },
      {
        name: covarianceNames[name as MeanName],
        dtype: 'f8' as const,
        shape: [covariance.size, covariance.size],
        data: covariance.data,
      },
    ]),
  );
}
