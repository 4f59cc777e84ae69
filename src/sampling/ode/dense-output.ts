import type { HostTensor } from '../../tensorflow/index.js';

/** Values of one sample at a step's start, middle and end, and the field at both ends. */
export interface StepValues {
  readonly start: HostTensor;
  readonly middle: HostTensor;
  readonly end: HostTensor;
  readonly fStart: HostTensor;
  readonly fEnd: HostTensor;
}

/**
 * Writes sample `row` at the fraction `u` of a step of size `dt` into `out`: the polynomial of degree 4 through the
 * three values, with the field as its slope at both ends.
 *
 * Source: Hairer, Nørsett and Wanner, "Solving ordinary differential equations I" (1993), II.6.
 */
export function interpolateStep(
  { start, middle, end, fStart, fEnd }: StepValues,
  row: number,
  u: number,
  dt: number,
  out: Float32Array,
): void {
  const size = out.length / start.shape[0]!;
  const [valueStart, valueMiddle, valueEnd, slopeStart, slopeEnd] = basis(u);
  for (let i = row * size; i < (row + 1) * size; i++)
    out[i] =
      valueStart * start.data[i]! +
      valueMiddle * middle.data[i]! +
      valueEnd * end.data[i]! +
      dt * (slopeStart * fStart.data[i]! + slopeEnd * fEnd.data[i]!);
}

/** The five polynomials of degree 4 of which each has one of the five conditions 1 and the others 0. */
function basis(u: number): readonly [number, number, number, number, number] {
  const v = 1 - u;
  const w = 2 * u - 1;
  return [
    -v * v * w * (1 + 4 * u),
    16 * u * u * v * v,
    u * u * w * (1 + 4 * v),
    -u * v * v * w,
    -u * u * v * w,
  ];
}
