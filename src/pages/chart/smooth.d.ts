/** @param range that the steps of all curves span */
export function smoothed(
  steps: readonly number[],
  values: readonly number[],
  weight: number,
  range: number,
): number[];

export function valueAt(
  steps: readonly number[],
  values: readonly number[],
  step: number,
): number | undefined;

export function spread(
  curves: readonly { readonly steps: readonly number[]; readonly values: readonly number[] }[],
): {
  readonly steps: number[];
  readonly mean: number[];
  readonly least: number[];
  readonly greatest: number[];
};
