import { type Passes, resampleFast, type ResampleWeights } from './resample-simd.js';
import type { ImageStrip, RgbImage } from './rgb-image.js';

/** A resampling filter: a kernel that is zero farther than `support` from its middle, in pixels of the smaller grid. */
interface ResampleFilter {
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
const weightBits = 22;

/** Weights of late, the oldest first: images of a set are often of a few sizes. */
const remembered = new Map<string, ResampleWeights>();
const mostRemembered = 64;

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
  const key = `${filter.support} ${from} ${to} ${first} ${length}`;
  const known = remembered.get(key);
  if (known !== undefined) return known;
  const weights = computeWeights(from, to, filter, first, length);
  remembered.set(key, weights);
  if (remembered.size > mostRemembered) remembered.delete(remembered.keys().next().value!);
  return weights;
}

function computeWeights(
  from: number,
  to: number,
  filter: ResampleFilter,
  first: number,
  length: number,
): ResampleWeights {
  const scale = from / to;
  const filterScale = Math.max(scale, 1);
  const support = filter.support * filterScale;
  const stride = Math.ceil(support) * 2 + 1;
  const starts = new Int32Array(length);
  const counts = new Int32Array(length);
  const weights = new Int32Array(length * stride);
  const row = new Float64Array(stride);
  for (let i = 0; i < length; i++) {
    const centre = (first + i + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - support + 0.5));
    const end = Math.min(from, Math.trunc(centre + support + 0.5));
    let sum = 0;
    for (let k = 0; k < end - start; k++) {
      row[k] = filter.kernel((start + k - centre + 0.5) * (1 / filterScale));
      sum += row[k]!;
    }
    const total = sum === 0 ? 1 : sum;
    for (let k = 0; k < end - start; k++) weights[i * stride + k] = toFixedPoint(row[k]! / total);
    starts[i] = start;
    counts[i] = end - start;
  }
  return { starts, counts, weights, stride };
}

function toFixedPoint(weight: number): number {
  const scaled = weight * 2 ** weightBits;
  return Math.trunc(weight < 0 ? scaled - 0.5 : scaled + 0.5);
}

/** Halves an image with the box filter; of an odd side, the half is rounded down. */
export function halve(image: RgbImage): RgbImage {
  const { width, height, data } = image;
  const size = { width: width >> 1, height: height >> 1 };
  if (width % 2 !== 0 || height % 2 !== 0) return resample(image, size, box);
  // What the weights of a half come to: two averages, one of the other, each rounded up.
  const row = width * 3;
  const out = new Uint8Array(size.width * size.height * 3);
  const isRowsFirst = isTall(image, size);
  let to = 0;
  for (let y = 0; y < height; y += 2) {
    let from = y * row;
    for (let x = 0; x < size.width; x++, from += 3)
      for (let c = 0; c < 3; c++, from++) {
        const [a, b, below, besides] = [
          data[from]!,
          data[from + 3]!,
          data[from + row]!,
          data[from + row + 3]!,
        ];
        out[to++] = isRowsFirst
          ? (((a + below + 1) >> 1) + ((b + besides + 1) >> 1) + 1) >> 1
          : (((a + b + 1) >> 1) + ((below + besides + 1) >> 1) + 1) >> 1;
      }
  }
  return { ...size, data: out };
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** A part of an image, in pixels. */
export interface Region extends Size {
  readonly left: number;
  readonly top: number;
}

/**
 * Resizes an image, equal to Pillow's `Image.resize` in every bit: columns and rows one after the other, rounded to
 * bytes between the two.
 *
 * @param image with all columns of which the region is made.
 * @param size what the whole image is resized to.
 * @param region the part of the result that is wanted; only that is computed.
 * @param out memory for the result.
 */
export function resample(
  image: ImageStrip,
  size: Size,
  filter: ResampleFilter,
  region: Region = { left: 0, top: 0, ...size },
  out: Uint8Array = new Uint8Array(region.width * region.height * 3),
): RgbImage {
  const { left: firstColumn = 0, wholeWidth = image.width, height } = image;
  const columns = resampleWeights(wholeWidth, size.width, filter, region.left, region.width);
  const rows = resampleWeights(height, size.height, filter, region.top, region.height);
  const [firstRow, endRow] = sourceRange(rows);
  const passes = {
    ...rowsBetween(image, firstRow, endRow),
    columns,
    rows,
    firstColumn,
    firstRow,
    isRowsFirst: isTall({ width: wholeWidth, height }, size),
  };
  if (!resampleFast(passes, out)) out.set(resampleSlowly(passes).data);
  return { width: region.width, height: region.height, data: out };
}

/** First source pixel that weights say, and the one after the last. */
export function sourceRange({ starts, counts }: ResampleWeights): readonly [number, number] {
  return [starts[0]!, starts.at(-1)! + counts.at(-1)!];
}

/** The same as `resampleFast` without SIMD instructions. */
export function resampleSlowly({
  columns,
  rows,
  firstColumn,
  firstRow,
  isRowsFirst,
  ...image
}: Passes): RgbImage {
  return isRowsFirst
    ? resampleColumns(resampleRows(image, rows, firstRow), columns, firstColumn)
    : resampleRows(resampleColumns(image, columns, firstColumn), rows, firstRow);
}

/**
 * True when Pillow shrinks the height first. Rounding between the passes makes the order visible: noise differs by
 * several grey levels. The rule agrees with Pillow 13 for thousands of random sizes; earlier versions always began with
 * the width.
 */
function isTall(image: Size, size: Size): boolean {
  const shrinkage = image.height - size.height;
  return shrinkage > 0 && shrinkage > 2 * (image.width - size.width);
}

function rowsBetween({ data, width }: RgbImage, first: number, end: number): RgbImage {
  return { width, height: end - first, data: data.subarray(first * width * 3, end * width * 3) };
}

/** Start value for rounding to the nearest byte. */
const half = 1 << (weightBits - 1);

/** @param firstColumn the column of the whole image with which this one begins. */
function resampleColumns(
  { data, width, height }: RgbImage,
  columns: ResampleWeights,
  firstColumn: number,
): RgbImage {
  const { starts, counts, weights, stride } = columns;
  const outWidth = starts.length;
  const out = new Uint8ClampedArray(height * outWidth * 3);
  let to = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < outWidth; x++) {
      let from = (y * width + starts[x]! - firstColumn) * 3;
      let red = half;
      let green = half;
      let blue = half;
      const end = x * stride + counts[x]!;
      for (let k = x * stride; k < end; k++) {
        const weight = weights[k]!;
        red += data[from]! * weight;
        green += data[from + 1]! * weight;
        blue += data[from + 2]! * weight;
        from += 3;
      }
      out[to] = red >> weightBits;
      out[to + 1] = green >> weightBits;
      out[to + 2] = blue >> weightBits;
      to += 3;
    }
  }
  return { width: outWidth, height, data: new Uint8Array(out.buffer) };
}

/** @param firstRow the row of the whole image with which this one begins. */
function resampleRows({ data, width }: RgbImage, rows: ResampleWeights, firstRow: number): RgbImage {
  const { starts, counts, weights, stride } = rows;
  const height = starts.length;
  const rowBytes = width * 3;
  const out = new Uint8ClampedArray(height * rowBytes);
  const sums = new Int32Array(rowBytes);
  for (let y = 0; y < height; y++) {
    sums.fill(half);
    for (let k = 0; k < counts[y]!; k++) {
      const weight = weights[y * stride + k]!;
      const from = (starts[y]! + k - firstRow) * rowBytes;
      for (let i = 0; i < rowBytes; i++) sums[i]! += data[from + i]! * weight;
    }
    for (let i = 0; i < rowBytes; i++) out[y * rowBytes + i] = sums[i]! >> weightBits;
  }
  return { width, height, data: new Uint8Array(out.buffer) };
}
