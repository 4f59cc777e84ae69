import type { InterpolantName } from '../names.js';
import type { TimeFunction } from '../time-function.js';

/**
 * A path from noise x₀ (t = 0) to data x₁ (t = 1): x = α(t)·x₁ + σ(t)·x₀, with α(0) ≈ 0 and σ(1) = 0.
 *
 * Source: Albergo, Boffi and Vanden-Eijnden, "Stochastic interpolants" (2023); Ma et al., "SiT" (2024), table 1.
 */
export interface Interpolant {
  readonly name: InterpolantName;
  /** Share of the data. */
  readonly alpha: TimeFunction;
  /** Its derivative. */
  readonly dAlpha: TimeFunction;
  /** Share of the noise. */
  readonly sigma: TimeFunction;
  /** Its derivative. */
  readonly dSigma: TimeFunction;
  /**
   * α'σ - ασ', the determinant by which (data, noise) follow from (x, velocity): x₀ = (α'x - αv) / W and
   * x₁ = (σv - σ'x) / W. Positive.
   */
  readonly wronskian: TimeFunction;
}
