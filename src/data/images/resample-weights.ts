/** A resampling filter: a kernel that is zero farther than `support` from its middle, in pixels of the smaller grid. */
export interface ResampleFilter {
  readonly support: number;
  readonly kernel: (x: number) => number;
}

/** Averages the pixels that a target pixel covers. */
export const box: ResampleFilter = { support: 0.5, kernel: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) };

/** Keys' cubic convolution with a = -0.5. */
export const bicubic: ResampleFilter = {
  support: 2,
  kernel: (signed) => {
    const x = Math.abs(signed);
    if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
    return x < 2 ? -0.5 * (((x - 5) * x + 8) * x - 4) : 0;
  },
};

/** Bits behind the point in a weight: what Pillow leaves of 32 bits beside a byte and the overshoot's two. */
export const weightBits = 22;

/** For each target pixel the source pixels that it is made of and their weights, in fixed point. */
export interface ResampleWeights {
  /** First source pixel, by target pixel. */
  readonly starts: Int32Array;
  /** Number of source pixels, by target pixel. */
  readonly counts: Int32Array;
  /** Weights times 2^22; those of target pixel i start at `i * stride`. */
  readonly weights: Int32Array;
  readonly stride: number;
}

/**
 * Weights that bring `from` pixels to `to` pixels, for `length` target pixels from `first` on. When the image
 * shrinks, the filter widens with it (antialiasing).
 *
 * Source: Pillow, `src/libImaging/Resample.c`, `precompute_coeffs` and `normalize_coeffs_8bpc`.
 */
export function resampleWeights(
  from: number,
  to: number,
  filter: ResampleFilter,
  first = 0,
  length = to,
): ResampleWeights {
  const scale = from / to;
  const filterScale = Math.max(scale, 1);
  const support = filter.support * filterScale;
  const stride = Math.ceil(support) * 2 + 1;
  const starts = new Int32Array(length);
  const counts = new Int32Array(length);
  const weights = new Int32Array(length * stride);
  for (let i = 0; i < length; i++) {
    const centre = (first + i + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - support + 0.5));
    const end = Math.min(from, Math.trunc(centre + support + 0.5));
    const row = Array.from({ length: end - start }, (_, k) =>
      filter.kernel((start + k - centre + 0.5) * (1 / filterScale)),
    );
    const sum = row.reduce((total, weight) => total + weight, 0);
    row.forEach((weight, k) => (weights[i * stride + k] = toFixedPoint(sum === 0 ? weight : weight / sum)));
    starts[i] = start;
    counts[i] = end - start;
  }
  return { starts, counts, weights, stride };
}

function toFixedPoint(weight: number): number {
  const scaled = weight * 2 ** weightBits;
  return Math.trunc(weight < 0 ? scaled - 0.5 : scaled + 0.5);
}
