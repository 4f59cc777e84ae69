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

/** At most `count` of a frontier, evenly spread over its costs, both ends among them. */
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

/** Where a frontier bends most: the choice furthest below the straight line between its ends. */
export function knee<T extends CostAndDeviation>(frontier: readonly T[]): T {
  const [first, last] = [frontier[0]!, frontier.at(-1)!];
  const width = last.cost - first.cost || 1;
  const height = first.deviation - last.deviation || 1;
  const depth = ({ cost, deviation }: T) =>
    1 - (cost - first.cost) / width - (deviation - last.deviation) / height;
  return frontier.reduce((best, choice) => (depth(choice) > depth(best) ? choice : best));
}
