import type { EvaluateConfig } from '../../generated/index.js';
import type { Headline } from '../../runner/stage.js';
import { featureNetwork } from '../../tensorflow/install/feature-network.js';

type Metric = EvaluateConfig['metrics'][number];

/** Figures that ADM's evaluator defines by its own network. */
const ofInception: ReadonlySet<Metric> = new Set<Metric>(['fid', 'sfid', 'inceptionScore']);

/** Keys that say what samples are compared with, and by which network. */
const against = ['reference', 'referenceFile'];
const byFeatures = [...against, 'features', 'inceptionFile'];
const byInception = [...against, 'inceptionFile'];

/** Figures that say how good samples are, the one that counts most first, and whether less or more of it is better. */
export const headlines: readonly Headline[] = [
  { name: 'fid', better: 'less', within: byInception },
  { name: 'frechetDistance', better: 'less', within: byFeatures },
  { name: 'kernelDistance', better: 'less', within: byFeatures },
  { name: 'latentFrechetDistance', better: 'less', within: [...against, 'autoencoder', 'latentGrid'] },
  { name: 'sfid', better: 'less', within: byInception },
  { name: 'inceptionScore', better: 'more', within: ['inceptionFile'] },
  { name: 'precision', better: 'more', within: byFeatures },
  { name: 'recall', better: 'more', within: byFeatures },
  { name: 'classAgreement', better: 'more', within: byFeatures },
];

/** Figures of the features of whichever network is chosen. */
const ofFeatures: ReadonlySet<Metric> = new Set<Metric>([
  'frechetDistance',
  'kernelDistance',
  'precisionRecall',
  'classAgreement',
]);

/** Figures for which the images of the reference are needed: statistics of them do not serve. */
export const comparesImages: ReadonlySet<Metric> = new Set<Metric>([
  'kernelDistance',
  'precisionRecall',
  'classAgreement',
]);

/** True for a figure whose rows of features are compared with each other on what computes. */
export const comparesRows = (metric: Metric): boolean => comparesImages.has(metric);

export const latentMetric = 'latentFrechetDistance';

/** The network whose features are compared: the chosen one; Inception where its file is given; otherwise EfficientNet. */
export const networkOf = ({
  features,
  inceptionFile,
}: Pick<EvaluateConfig, 'features' | 'inceptionFile'>): NonNullable<EvaluateConfig['features']> =>
  features ?? (inceptionFile === undefined ? 'efficientnet' : 'inception');

/** True for a figure that some network's features are compared for, beside those that define their own. */
export const isOfFeatures = (metric: Metric): boolean => ofFeatures.has(metric);

/** Networks that give features. */
export type NetworkName = 'latents' | 'efficientnet' | 'inception';

/** Name of the file in an output that says how long its features took: of how it was made, not of what was made. */
export const workName = 'work.json';

/** Numbers of an image's features, of those networks whose features are compared row by row. */
export const widths = { efficientnet: 1280, inception: 2048 } as const;

/** Numbers of the features of a latent. */
export const latentWidth = (channels: number, grid: number): number => 2 * channels * grid ** 2;

/** Texts on which the features of networks depend. */
export const identities = {
  efficientnet: () => `efficientnet ${featureNetwork.sha256}`,
  inception: (sha256: string) => `inception ${sha256}`,
  latents: (autoencoder: string, grid: number) => `latents ${autoencoder} ${grid}`,
};

/** The networks that figures need, in the order in which they are used. */
export function neededNetworks(config: EvaluateConfig): readonly NetworkName[] {
  const needed = new Set(config.metrics.map((metric) => networkFor(metric, config)));
  return (['latents', 'efficientnet', 'inception'] as const).filter((name) => needed.has(name));
}

/** The network that a figure needs. */
export function networkFor(metric: Metric, config: EvaluateConfig): NetworkName {
  if (metric === latentMetric) return 'latents';
  return ofInception.has(metric) ? 'inception' : networkOf(config);
}
