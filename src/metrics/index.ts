/** Figures that compare sets of images by their features: pure functions in double precision. */
export { type Rows, type SquareMatrix, rowsOf } from './linear-algebra.js';
export {
  computeStatistics,
  type FeatureStatistics,
  StatisticsAccumulator,
  statisticsOf,
} from './statistics.js';
export { computeFrechetDistance, frechetDistance } from './frechet-distance.js';
export { frechetDistanceError } from './frechet-error.js';
export { inceptionScore } from './inception.js';
export { type PrecisionRecall, precisionRecall } from './manifold.js';
export { type KernelDistance, storedKernelDistance } from './kernel-distance.js';
export { type StoredRows, storedClassAgreement, storedPrecisionRecall } from './manifold.js';
export { type InceptionFeatures, InceptionNetwork } from './inception.js';
export { latentFeatures } from './latent-features.js';
export { symmetricEigenvalues } from './linear-algebra.js';
