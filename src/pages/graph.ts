/** A stage of the graph and the ids of those before it. */
export interface GraphNode {
  readonly id: string;
  readonly after: readonly string[];
}

interface PlacedNode {
  readonly id: string;
  /** Column from the left, 0 for stages that read no other. */
  readonly column: number;
  readonly row: number;
}

/** A line from one stage to one that reads it. */
export interface PlacedEdge {
  readonly from: PlacedNode;
  readonly to: PlacedNode;
  /** Lane below the graph, where it passes other columns: 0 is the topmost. */
  readonly lane: number | undefined;
}

export interface GraphLayout {
  readonly nodes: readonly PlacedNode[];
  readonly edges: readonly PlacedEdge[];
  readonly columns: number;
  readonly rows: number;
  readonly lanes: number;
}

/**
 * Puts each stage right of all that it reads. Lines between neighbouring columns are direct; longer ones run in lanes
 * below, those of one stage together, short ones above long ones.
 *
 * @param nodes in any order; ids in `after` that are not among them are ignored
 */
export function layoutGraph(nodes: readonly GraphNode[]): GraphLayout {
  const placed = new Map<string, PlacedNode>();
  const heights: number[] = [];
  for (const { id, after } of inOrder(nodes)) {
    const column = Math.max(-1, ...after.map((input) => placed.get(input)?.column ?? -1)) + 1;
    const row = (heights[column] = (heights[column] ?? 0) + 1) - 1;
    placed.set(id, { id, column, row });
  }
  const pairs = nodes.flatMap(({ id, after }) =>
    after.flatMap((input) => {
      const from = placed.get(input);
      return from === undefined ? [] : [{ from, to: placed.get(id)! }];
    }),
  );
  const lanes = assignLanes(pairs);
  return {
    nodes: nodes.map(({ id }) => placed.get(id)!),
    edges: pairs.map((pair) => ({ ...pair, lane: isLong(pair) ? lanes.get(pair.from.id) : undefined })),
    columns: heights.length,
    rows: Math.max(0, ...heights),
    lanes: new Set(lanes.values()).size,
  };
}

type Pair = Pick<PlacedEdge, 'from' | 'to'>;

const isLong = ({ from, to }: Pair) => to.column - from.column > 1;

/** Assigns to each stage with long lines the topmost lane that is free over the whole of their reach. */
function assignLanes(pairs: readonly Pair[]): Map<string, number> {
  const reach = new Map<string, [start: number, end: number]>();
  for (const { from, to } of pairs.filter(isLong)) {
    const end = Math.max(to.column, reach.get(from.id)?.[1] ?? 0);
    reach.set(from.id, [from.column, end]);
  }
  const shortFirst = [...reach].sort(([, a], [, b]) => a[1] - a[0] - (b[1] - b[0]));
  const taken: [number, number][][] = [];
  return new Map(
    shortFirst.map(([id, [start, end]]) => {
      const isFree = (lane: readonly [number, number][]) =>
        lane.every((other) => other[1] <= start || end <= other[0]);
      const free = taken.findIndex(isFree);
      const lane = free < 0 ? taken.length : free;
      (taken[lane] ??= []).push([start, end]);
      return [id, lane];
    }),
  );
}

/** The nodes such that each comes after those it names, whatever order they were given in. */
function inOrder(nodes: readonly GraphNode[]): GraphNode[] {
  const waiting = [...nodes];
  const order: GraphNode[] = [];
  while (waiting.length > 0) {
    const open = new Set(waiting.map(({ id }) => id));
    const next = waiting.findIndex(({ after }) => !after.some((input) => open.has(input)));
    order.push(...waiting.splice(Math.max(0, next), 1));
  }
  return order;
}
