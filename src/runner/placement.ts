/** GPUs and memory that stages and trials may use together. */
export interface Machine {
  /** GPUs by the names that CUDA_VISIBLE_DEVICES has for them. */
  readonly devices: readonly string[];
  /** Memory. */
  readonly bytes: number;
}

/** Expected need of one of them. */
export interface Demand {
  /** GPUs of its own; as many as there are, where there are fewer. */
  readonly devices: number;
  /** 0 where nobody knows. */
  readonly bytes: number;
}

/** Work that runs, and its GPUs. */
export interface Placed extends Demand {
  readonly on: readonly string[];
}

/**
 * The GPUs on which something starts beside what runs, none for what needs none; undefined where it has to wait for GPUs
 * or memory. What runs alone always starts: it says itself where the machine does not suffice.
 */
export function place(
  demand: Demand,
  { devices, bytes }: Machine,
  running: readonly Placed[],
): readonly string[] | undefined {
  const used = running.reduce((sum, each) => sum + each.bytes, 0);
  if (running.length > 0 && used + demand.bytes > bytes) return undefined;
  const free = devices.filter((device) => running.every(({ on }) => !on.includes(device)));
  const wanted = Math.min(demand.devices, devices.length);
  return free.length < wanted ? undefined : free.slice(0, wanted);
}

/** Gives out the GPUs and the memory of a machine, in the order in which they are asked for as far as that can be. */
export class Places {
  private readonly machine: Machine;
  private running: readonly Placed[] = [];
  private waiting: readonly (() => void)[] = [];

  constructor(machine: Machine) {
    this.machine = machine;
  }

  /** Takes a place at once, if there is one. */
  take(demand: Demand): Placed | undefined {
    const on = place(demand, this.machine, this.running);
    if (on === undefined) return undefined;
    const placed = { ...demand, on };
    this.running = [...this.running, placed];
    return placed;
  }

  /** @throws the signal's reason when it aborts while waiting */
  async wait(demand: Demand, signal: AbortSignal): Promise<Placed> {
    for (;;) {
      signal.throwIfAborted();
      const placed = this.take(demand);
      if (placed !== undefined) return placed;
      await new Promise<void>((resolve) => {
        this.waiting = [...this.waiting, resolve];
        signal.addEventListener('abort', () => {
          resolve();
        });
      });
    }
  }

  leave(placed: Placed): void {
    this.running = this.running.filter((each) => each !== placed);
    const waiting = this.waiting;
    this.waiting = [];
    for (const look of waiting) look();
  }
}
