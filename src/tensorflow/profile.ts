import type { OperationStats, StepStats } from './step-stats.js';

/** All operations of one kind over the steps of a profile. */
export interface OperationCost {
  readonly operation: string;
  /** Calls in one step. */
  readonly calls: number;
  /** Milliseconds of one step, on average, summed over threads. */
  readonly milliseconds: number;
  /** Part of the time of all operations. */
  readonly share: number;
}

/** Kinds of operation by their time, the costliest first. */
export function operationCosts(steps: readonly StepStats[]): OperationCost[] {
  const sums = new Map<string, { count: number; us: number }>();
  let total = 0;
  for (const { operation, durationUs } of steps.flat()) {
    const kind = withoutNumber(operation);
    const sum = sums.get(kind) ?? { count: 0, us: 0 };
    sums.set(kind, { count: sum.count + 1, us: sum.us + durationUs });
    total += durationUs;
  }
  return [...sums]
    .sort(([, a], [, b]) => b.us - a.us)
    .map(([operation, { count, us }]) => ({
      operation,
      calls: Math.round(count / steps.length),
      milliseconds: us / 1000 / steps.length,
      share: us / total,
    }));
}

/** The ten costliest kinds of operation, a line each. */
export function costliest(steps: readonly StepStats[]): string[] {
  return operationCosts(steps)
    .slice(0, 10)
    .map(
      ({ operation, calls, milliseconds, share }) =>
        `${operation.padEnd(38)} ${String(calls).padStart(5)} calls ${milliseconds.toFixed(1).padStart(9)} ms ${(100 * share).toFixed(1).padStart(5)} %`,
    );
}

/**
 * The steps in the Trace Event Format, as JSON: chrome://tracing and ui.perfetto.dev show it. A row a thread;
 * operations that overlap on one, as those of concurrent functions may, are shown on further rows.
 */
export function chromeTrace(steps: readonly StepStats[]): string {
  const operations = steps.flat().sort((a, b) => a.startUs - b.startUs);
  const origin = operations[0]?.startUs ?? 0;
  const devices = [...new Set(operations.map(({ device }) => device))];
  const ends = new Map<string, number[]>();
  const row = ({ device, startUs, durationUs }: OperationStats): number => {
    const rows = ends.get(device) ?? [];
    ends.set(device, rows);
    const free = rows.findIndex((end) => end <= startUs);
    const index = free === -1 ? rows.length : free;
    rows[index] = startUs + durationUs;
    return index;
  };
  const names = devices.map((device, pid) => ({
    ph: 'M',
    name: 'process_name',
    pid,
    args: { name: device },
  }));
  const events = operations.map((operation) => ({
    ph: 'X',
    name: withoutNumber(operation.operation),
    pid: devices.indexOf(operation.device),
    tid: row(operation),
    ts: operation.startUs - origin,
    dur: operation.durationUs,
    args: { node: operation.node },
  }));
  return JSON.stringify({ displayTimeUnit: 'ms', traceEvents: [...names, ...events] });
}

/** Fused functions are numbered: their kind is what comes before. */
function withoutNumber(operation: string): string {
  return operation.replace(/_\d+$/, '');
}
