/** Means of named figures over the steps since they were last taken. Its state is plain JSON. */
export class Meter {
  constructor(private state: MeterState = { count: 0, sums: {} }) {}

  /** Adds one step's figures. */
  add(figures: Readonly<Record<string, number>>): void {
    const { count, sums, missed = {} } = this.state;
    const next = { ...sums };
    const without: Record<string, number> = { ...missed };
    for (const [name, value] of Object.entries(figures)) {
      if (count > 0 && !(name in sums)) without[name] = count;
      next[name] = (next[name] ?? 0) + value;
    }
    for (const name of Object.keys(sums)) if (!(name in figures)) without[name] = (without[name] ?? 0) + 1;
    const some = Object.keys(without).length > 0;
    this.state = { count: count + 1, sums: next, ...(some && { missed: without }) };
  }

  /** Means so far, each over the steps that had the figure. */
  means(): Record<string, number> {
    const { count, sums, missed = {} } = this.state;
    return Object.fromEntries(
      Object.entries(sums).map(([name, sum]) => [name, sum / (count - (missed[name] ?? 0))]),
    );
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
  /** Steps without a figure, of those that only some steps have. */
  readonly missed?: Readonly<Record<string, number>>;
}

/**
 * The time that a device computes, as a part of all time: what is missing, it waited for input, or for a checkpoint to
 * be written. Counts from the end of the first piece of work, for which everything is prepared.
 */
export class BusyTime {
  private start: number | undefined;
  private busyMs = 0;
  /** Time at which `take` was last asked, and how long there had been work by then. */
  private taken = { atMs: 0, busyMs: 0 };

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** Does a piece of the device's work. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    const begun = this.now();
    const result = await work();
    const end = this.now();
    if (this.start === undefined) {
      this.start = end;
      this.taken.atMs = end;
    } else this.busyMs += end - begun;
    return result;
  }

  /** The part of the time that the device was idle, from 0 to 1, so far; undefined before the second piece of work. */
  get idleShare(): number | undefined {
    if (this.start === undefined || this.busyMs === 0) return undefined;
    return 1 - this.busyMs / (this.now() - this.start);
  }

  /** The same of the time since this was last asked; undefined where there was no work since. */
  takeIdleShare(): number | undefined {
    const before = this.taken;
    if (this.busyMs === before.busyMs) return undefined;
    this.taken = { atMs: this.now(), busyMs: this.busyMs };
    return 1 - (this.busyMs - before.busyMs) / (this.taken.atMs - before.atMs);
  }
}
