import { congruence, semidefiniteFactor } from './cholesky.js';
import { symmetricEigenvalues } from './eigenvalues.js';
import type { SquareMatrix } from './matrix.js';
import type { FeatureStatistics } from './statistics.js';

/**
 * The squared Fréchet distance of two Gaussian distributions: |μ₁ - μ₂|² + tr(Σ₁ + Σ₂ - 2(Σ₁Σ₂)^½). On the features of
 * the Inception network it is called FID.
 *
 * With Σ₁ = FᵀF, the non-zero eigenvalues of Σ₁Σ₂ are those of the symmetric FΣ₂Fᵀ: no root of a matrix is taken, and
 * covariances of fewer samples than features need no correction.
 *
 * Source: Dowson and Landau (1982); Heusel et al., "GANs trained by a two time-scale update rule" (2017).
 */
export function frechetDistance(a: FeatureStatistics, b: FeatureStatistics): number {
  const { size } = a.covariance;
  if (b.covariance.size !== size)
    throw new RangeError(`Features of ${size} and of ${b.covariance.size} numbers cannot be compared.`);
  const eigenvalues = symmetricEigenvalues(congruence(semidefiniteFactor(a.covariance), b.covariance));
  const roots = eigenvalues.reduce((sum, value) => sum + Math.sqrt(Math.max(value, 0)), 0);
  const between = a.mean.reduce((sum, value, i) => sum + (value - b.mean[i]!) ** 2, 0);
  return between + trace(a.covariance) + trace(b.covariance) - 2 * roots;
}

function trace({ size, data }: SquareMatrix): number {
  let sum = 0;
  for (let i = 0; i < size; i++) sum += data[i * size + i]!;
  return sum;
}
