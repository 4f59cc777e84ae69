import type { PowerAverages, TrainConfig } from '../generated/index.js';

/**
 * Moving averages of weights over a training: exponential ones, and ones by a power of the step, from whose snapshots
 * averages of other widths are rebuilt after the training.
 *
 * Source: Karras et al., "Analyzing and improving the training dynamics of diffusion models", arXiv 2312.02696, section 3
 *   and appendix C
 */

/**
 * Decay of a moving average: the same at every step, or that of an average by a power of the step, by its relative width:
 * the deviation of its weights over the steps, as a share of all steps so far.
 */
export type AverageDecay = number | { readonly relativeWidth: number };

/** Widest average: with exponent 0 every step weighs as much. Its relative width is 1/√12. */
const greatestRelativeWidth = Math.sqrt(1 / 12);

/** Name of an average by its decay, as users write it: `ema-0.999` or `power-0.05`. */
export const averageName = (decay: AverageDecay): `ema-${number}` | `power-${number}` =>
  typeof decay === 'number' ? `ema-${decay}` : `power-${decay.relativeWidth}`;

/** The relative width that a name of an average by a power says; undefined for other names. */
export function widthIn(name: string): number | undefined {
  const found = /^power-(0\.\d+)$/.exec(name)?.[1];
  return found === undefined ? undefined : Number(found);
}

/** Averages by a power, where a configuration asks for these. */
export const powerAverages = (ema: TrainConfig['ema']): PowerAverages | undefined =>
  typeof ema === 'object' && 'kind' in ema ? ema : undefined;

/** The decays of averages that a configuration names. */
export function decaysOf(ema: TrainConfig['ema']): readonly AverageDecay[] {
  const power = powerAverages(ema);
  if (power !== undefined) return power.relativeWidths.map((relativeWidth) => ({ relativeWidth }));
  return [ema as number | number[]].flat();
}

/**
 * Shares that the new weights have, at the update after `updates` others, in those averages that go by a power, in their
 * order. Source: equation 127
 */
export function powerShares(decays: readonly AverageDecay[], updates: number): number[] {
  return decays.flatMap((decay) =>
    typeof decay === 'number'
      ? []
      : // 1 - (1 - 1/t)^(γ + 1), whose digits survive where t is large.
        [-Math.expm1((powerOf(decay.relativeWidth) + 1) * Math.log1p(-1 / (updates + 1)))],
  );
}

/** The exponent of the average of a relative width. Source: equation 126 */
export function powerOf(relativeWidth: number): number {
  const t = relativeWidth ** -2;
  // Beyond the largest root the cubic rises and bends upwards, so that Newton's steps come down to it.
  let exponent = Math.sqrt(t) + 1;
  for (let i = 0; i < 100; i++) {
    const value = ((exponent + 7) * exponent + 16 - t) * exponent + 12 - t;
    const step = value / ((3 * exponent + 14) * exponent + 16 - t);
    exponent -= step;
    if (Math.abs(step) < 1e-15 * exponent) break;
  }
  return exponent;
}

/** An average by a power over the updates up to one. */
export interface AverageProfile {
  readonly updates: number;
  readonly relativeWidth: number;
}

/** Share of another average that snapshots do not reproduce, from which on they do not serve for it. */
export const mostError = 0.1;

/** An average put together from snapshots. */
export interface Rebuilt {
  /** Weight of each snapshot; their sum is 1. */
  readonly weights: readonly number[];
  /** Root mean square of what its weights over the updates lack of those that are wanted, as a share of these. */
  readonly error: number;
  /** True when it is near enough to be what is asked for. */
  readonly serves: boolean;
}

/**
 * The averages of some relative widths at the last of snapshots, as near as these come to them. Source: algorithm 3
 *
 * @returns one for each width
 */
function rebuilt(
  snapshots: readonly AverageProfile[],
  relativeWidths: readonly number[],
): readonly Rebuilt[] {
  const updates = Math.max(...snapshots.map((snapshot) => snapshot.updates));
  const known = snapshots.map(withPower);
  const wanted = relativeWidths.map((relativeWidth) => withPower({ updates, relativeWidth }));
  const products = known.map((a) => known.map((b) => overlap(a, b)));
  const targets = known.map((a) => wanted.map((b) => overlap(a, b)));
  const solved = solutions(products.map((row, i) => [...row, ...targets[i]!]));
  return wanted.map((target, k) => {
    const sum = solved.reduce((total, row) => total + row[k]!, 0);
    const weights = solved.map((row) => row[k]! / sum);
    const own = overlap(target, target);
    const square = weights.reduce((total, a, i) => {
      const product = products[i]!.reduce((of, b, j) => of + b * weights[j]!, 0);
      return total + a * (product - 2 * targets[i]![k]!);
    }, own);
    const error = Math.sqrt(Math.max(square, 0) / own);
    return { weights, error, serves: error <= mostError };
  });
}

/** An average of one relative width, as `rebuilt` gives it; undefined for what is no width of an average. */
export function rebuiltTo(snapshots: readonly AverageProfile[], relativeWidth: number): Rebuilt | undefined {
  const isWidth = relativeWidth > 0 && relativeWidth <= greatestRelativeWidth;
  return isWidth ? rebuilt(snapshots, [relativeWidth])[0] : undefined;
}

/** Widths that are tried to say which can be rebuilt. */
const triedWidths = Array.from({ length: 56 }, (_, i) => (i + 1) / 200);

/** The least and the greatest relative width that snapshots serve for, to 0.005; undefined where there is none. */
export function widthsWithin(
  snapshots: readonly AverageProfile[],
): readonly [least: number, most: number] | undefined {
  const found = rebuilt(snapshots, triedWidths);
  const serving = triedWidths.filter((_, i) => found[i]!.serves);
  return serving.length === 0 ? undefined : [serving[0]!, serving.at(-1)!];
}

/** Steps after which averages are kept for rebuilding others: regular ones, and the last. */
export function snapshotSteps({ snapshotEverySteps: every }: PowerAverages, totalSteps: number): number[] {
  const regular = Array.from({ length: Math.floor(totalSteps / every) }, (_, i) => (i + 1) * every);
  return totalSteps % every === 0 ? regular : [...regular, totalSteps];
}

/** Averages that a training of so many steps, all of which change the weights, keeps for rebuilding others. */
export const plannedProfiles = (averages: PowerAverages, totalSteps: number): AverageProfile[] =>
  snapshotSteps(averages, totalSteps).flatMap((updates) =>
    averages.relativeWidths.map((relativeWidth) => ({ updates, relativeWidth })),
  );

interface Profile {
  readonly updates: number;
  readonly power: number;
}

const withPower = ({ updates, relativeWidth }: AverageProfile): Profile => ({
  updates,
  power: powerOf(relativeWidth),
});

/** The inner product of two averages' weights over time. Source: equation 151 */
function overlap(a: Profile, b: Profile): number {
  const exponent = a.updates < b.updates ? b.power : -a.power;
  const ratio = (a.updates / b.updates) ** exponent;
  return ((a.power + 1) * (b.power + 1) * ratio) / ((a.power + b.power + 1) * Math.max(a.updates, b.updates));
}

/**
 * Solves linear equations by elimination with the largest pivots.
 *
 * @param rows coefficients, each row with its right sides
 * @returns the values of each unknown, one for each right side
 */
function solutions(rows: number[][]): number[][] {
  const size = rows.length;
  const width = rows[0]!.length;
  for (let column = 0; column < size; column++) {
    let pivot = column;
    for (let row = column + 1; row < size; row++)
      if (Math.abs(rows[row]![column]!) > Math.abs(rows[pivot]![column]!)) pivot = row;
    [rows[column], rows[pivot]] = [rows[pivot]!, rows[column]!];
    const own = rows[column]!;
    for (let row = column + 1; row < size; row++) {
      const factor = rows[row]![column]! / own[column]!;
      if (factor !== 0) for (let i = column; i < width; i++) rows[row]![i]! -= factor * own[i]!;
    }
  }
  const values: number[][] = new Array<number[]>(size);
  for (let row = size - 1; row >= 0; row--)
    values[row] = rows[row]!.slice(size).map((right, k) => {
      let rest = right;
      for (let i = row + 1; i < size; i++) rest -= rows[row]![i]! * values[i]![k]!;
      return rest / rows[row]![row]!;
    });
  return values;
}
