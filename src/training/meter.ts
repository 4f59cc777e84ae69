/** Means of named figures over the steps since they were last taken. Its state is plain JSON. */
export class Meter {
  constructor(private state: MeterState = { count: 0, sums: {} }) {}

  /** Adds one step's figures. */
  add(figures: Readonly<Record<string, number>>): void {
    const { count, sums } = this.state;
    const next = { ...sums };
    for (const [name, value] of Object.entries(figures)) next[name] = (next[name] ?? 0) + value;
    this.state = { count: count + 1, sums: next };
  }

  /** Means so far. */
  means(): Record<string, number> {
    const { count, sums } = this.state;
    return Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, sum / count]));
  }

  /** Means so far; then starts over. */
  take(): Record<string, number> {
    const means = this.means();
    this.state = { count: 0, sums: {} };
    return means;
  }

  toJSON(): MeterState {
    return this.state;
  }
}

export interface MeterState {
  readonly count: number;
  readonly sums: Readonly<Record<string, number>>;
}
