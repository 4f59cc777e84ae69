import { argumentError } from '../base/errors.js';
import { advancePhase, firstPhase, type PhaseOptions } from './phases.js';

/** Paths of the same samples by each model alone. */
export interface RecordedPaths {
  /** Distances by model, sample and step that the step moved the sample, from the second step on (index 0). */
  readonly distances: readonly (readonly ArrayLike<number>[])[];
  /** Deviations by model and step: how much further a step took samples from those of the largest model, on average. */
  readonly deviations: readonly ArrayLike<number>[];
}

/**
 * The steps (from 0) after which one sample would go to the second phase, the third, and so on; null: never. As long
 * as a sample is in its first phase this is exact; later its distances are taken from the path by its phase's model
 * alone.
 *
 * @param distances of the sample by each model alone
 */
export function predictSwitches(
  options: PhaseOptions,
  distances: readonly ArrayLike<number>[],
): (number | null)[] {
  const switches = new Array<number | null>(options.switchRatios.length).fill(null);
  const steps = distances[0]?.length ?? 0;
  let state = firstPhase;
  for (let i = 0; i < steps; i++) {
    const next = advancePhase(options, state, distances[state.phase]![i]!);
    for (let phase = state.phase; phase < next.phase; phase++) switches[phase] = i + 1;
    state = next;
  }
  return switches;
}

/** Predicts the distance from the largest model's samples: each step adds what it added under its model alone. */
export function predictDeviation(
  deviations: readonly ArrayLike<number>[],
  switches: readonly (number | null)[],
): number {
  const steps = deviations[0]?.length ?? 0;
  let sum = 0;
  for (let step = 0; step < steps; step++) {
    const phase = switches.filter((last) => last !== null && last < step).length;
    sum += deviations[phase]![step]!;
  }
  return Math.max(0, sum);
}

/** Every falling sequence of `count` of the ratios: where a ratio is no smaller than the one before, its phase is empty. */
export function ratioTuples(ratios: readonly number[], count: number): number[][] {
  if (count === 0) return [[]];
  return ratios.flatMap((first) =>
    ratioTuples(
      ratios.filter((ratio) => ratio < first),
      count - 1,
    ).map((rest) => [first, ...rest]),
  );
}

/** A choice of ratios, what it costs, and how far its samples are from the largest model's. */
export interface CostAndDeviation {
  readonly cost: number;
  readonly deviation: number;
}

/** The choices that no other beats in both, cheapest first. */
export function paretoFrontier<T extends CostAndDeviation>(choices: readonly T[]): T[] {
  const sorted = [...choices].sort((a, b) => a.cost - b.cost || a.deviation - b.deviation);
  let least = Infinity;
  return sorted.filter(({ deviation }) => {
    if (deviation >= least) return false;
    least = deviation;
    return true;
  });
}

/** Selects at most `count` points of a frontier, evenly spread over its costs, both ends among them. */
export function spreadOverCosts<T extends CostAndDeviation>(frontier: readonly T[], count: number): T[] {
  if (frontier.length <= count) return [...frontier];
  const [first, last] = [frontier[0]!.cost, frontier.at(-1)!.cost];
  const chosen = new Set<T>();
  for (let i = 0; i < count; i++) {
    const wanted = first + ((last - first) * i) / (count - 1);
    const distance = ({ cost }: T) => Math.abs(cost - wanted);
    chosen.add(frontier.reduce((best, choice) => (distance(choice) < distance(best) ? choice : best)));
  }
  return frontier.filter((choice) => chosen.has(choice));
}

/** Point at which a frontier bends most: the choice furthest below the straight line between its ends. */
export function knee<T extends CostAndDeviation>(frontier: readonly T[]): T {
  if (frontier.length === 0) throw argumentError('A frontier without a point has no knee.');
  const [first, last] = [frontier[0]!, frontier.at(-1)!];
  const width = last.cost - first.cost || 1;
  const height = first.deviation - last.deviation || 1;
  const depth = ({ cost, deviation }: T) =>
    1 - (cost - first.cost) / width - (deviation - last.deviation) / height;
  return frontier.reduce((best, choice) => (depth(choice) > depth(best) ? choice : best));
}
