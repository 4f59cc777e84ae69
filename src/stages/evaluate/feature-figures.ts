import { UserError } from '../../base/errors.js';
import type { EvaluateConfig } from '../../generated/index.js';
import { storedClassAgreement, storedKernelDistance, storedPrecisionRecall } from '../../metrics/index.js';
import type { StoredRows } from '../../metrics/index.js';
import type { RuntimeOptions } from '../../tensorflow/index.js';
import { comparedLabels, type ImageSet } from './image-set.js';

/** Features of a set of images, a row an image, with the images' classes where these are known. */
export type ComparedSet = Pick<ImageSet, 'name' | 'labels'> & { readonly rows: StoredRows };

interface Hooks {
  readonly signal: AbortSignal;
  /** Callback with how many more rows were compared with a whole set. */
  readonly onRows?: (rows: number) => void;
}

/**
 * Figures that are wanted of features, beside distances of their statistics: kernel distance, precision, recall and
 * class agreement.
 *
 * @throws UserError `images-too-few`, `labels-missing`
 */
export async function featureFigures(
  metrics: EvaluateConfig['metrics'],
  samples: ComparedSet,
  reference: ComparedSet,
  runtime: RuntimeOptions,
  { signal, onRows }: Hooks,
): Promise<Record<string, number>> {
  const figures: Record<string, number> = {};
  const [own, other] = [samples.rows, reference.rows];
  const hooks = onRows && { onRows };
  if (metrics.includes('kernelDistance')) {
    for (const { name, rows } of [samples, reference]) if (rows.count < 2) throw tooFew(name, rows.count);
    const { distance, error } = await storedKernelDistance(own, other, runtime, signal);
    figures.kernelDistance = distance;
    if (error !== undefined) figures.kernelDistanceError = error;
  }
  if (metrics.includes('precisionRecall'))
    Object.assign(figures, await storedPrecisionRecall(other, own, runtime, hooks));
  if (metrics.includes('classAgreement')) {
    const labels = comparedLabels(samples, reference);
    figures.classAgreement = await storedClassAgreement(own, other, labels, runtime, hooks);
  }
  return figures;
}

function tooFew(name: string, count: number): UserError {
  return new UserError({
    code: 'images-too-few',
    message: `${name}: kernelDistance needs 2 images at least; it has ${count}.`,
    remedy: 'Draw more samples, or leave the figure out.',
  });
}
