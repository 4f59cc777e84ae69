import { resolve } from 'node:path';
import { UserError } from '../../base/errors.js';
import type { EvaluateConfig } from '../../generated/index.js';
import type { StageContext } from '../../runner/stage.js';
import { type ImageSet, openFileSet, openStageSet } from './image-set.js';
import { comparesImages, networkOf } from './figures.js';
import { covarianceNames, type MeanName, readStatistics, type Statistics } from './statistics-file.js';

/** Reference of a comparison: images, statistics of images, or both. Close it after use. */
export class Reference {
  private constructor(
    private readonly name: string,
    readonly images: ImageSet | undefined,
    readonly statistics: Readonly<Partial<Record<MeanName, Statistics>>>,
  ) {}

  /**
   * @throws UserError `reference-empty` where a file has neither, `reference-images-missing` where a figure needs them,
   *   and what is wrong with the file
   */
  static async open(config: EvaluateConfig, context: StageContext): Promise<Reference | undefined> {
    const { reference, referenceFile, metrics } = config;
    if (reference !== undefined) {
      const images = await openStageSet(reference, context);
      return new Reference(images.name, images, {});
    }
    if (referenceFile === undefined) return undefined;
    const path = resolve(context.pipelineDirectory, referenceFile);
    const statistics: Partial<Record<MeanName, Statistics>> = {};
    for (const [mean, covariance] of Object.entries(covarianceNames)) {
      const found = await readStatistics(path, mean, covariance);
      if (found) statistics[mean as MeanName] = found;
    }
    const images = await openFileSet(path);
    if (images === undefined && Object.keys(statistics).length === 0)
      throw new UserError({
        code: 'reference-empty',
        message: `${path}: it has neither images (\`arr_0\`) nor statistics (\`mu\` and \`sigma\`).`,
        remedy: 'Give an .npz as the ADM evaluator reads it.',
      });
    const ofImages = metrics.find((metric) => comparesImages.has(metric));
    if (images === undefined && ofImages !== undefined)
      throw imagesMissing(path, ofImages, 'needs the images themselves (`arr_0`)');
    // Images that no figure needs are not looked at.
    const needed =
      ofImages !== undefined ||
      distancesOf(config).some(({ metric, mean }) => metrics.includes(metric) && !statistics[mean]);
    if (needed) return new Reference(path, images, statistics);
    await images?.close();
    return new Reference(path, undefined, statistics);
  }

  /** @throws UserError `statistics-mismatch`, or `reference-images-missing` where a figure has nothing to go by */
  mustFit(mean: MeanName, width: number): void {
    const found = this.statistics[mean]?.covariance.size;
    if (found === undefined) {
      if (this.images === undefined)
        throw imagesMissing(
          this.name,
          mean,
          `is missing, with \`${covarianceNames[mean]}\`, and there are no images (\`arr_0\`) to compute it from`,
        );
      return;
    }
    if (found === width) return;
    throw new UserError({
      code: 'statistics-mismatch',
      message: `${this.name}: its \`${mean}\` is of ${found} features; the network gives ${width}.`,
      remedy: 'Give statistics that were computed with the same network.',
    });
  }

  async close(): Promise<void> {
    await this.images?.close();
  }
}

function imagesMissing(path: string, name: string, problem: string): UserError {
  return new UserError({
    code: 'reference-images-missing',
    message: `${path}: \`${name}\` ${problem}.`,
    remedy: 'Give a file that has them, or leave the figure out of `metrics`.',
  });
}

interface Distance {
  readonly metric: EvaluateConfig['metrics'][number];
  readonly feature: string;
  readonly mean: MeanName;
}

/** Names of distances, by the features that they compare and the name of their mean in a statistics file. */
export const distancesOf = (config: EvaluateConfig): readonly Distance[] => [
  { metric: 'fid', feature: 'pooled', mean: 'mu' },
  { metric: 'sfid', feature: 'spatial', mean: 'mu_s' },
  {
    metric: 'frechetDistance',
    ...(networkOf(config) === 'inception'
      ? ({ feature: 'pooled', mean: 'mu' } as const)
      : ({ feature: 'efficientnet', mean: 'mu_efficientnet' } as const)),
  },
  { metric: 'latentFrechetDistance', feature: 'latent', mean: 'mu_latent' },
];
