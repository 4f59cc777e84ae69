import { decodeRunMetadata, encodeMessage } from './protobuf.js';

/** Cost of all operations of one kind over the steps of a profile. */
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

/** One operation of a traced run. */
export interface OperationStats {
  readonly device: string;
  /** The node's name in the graph. */
  readonly node: string;
  /** The kind of operation that ran, after TensorFlow's rewriting: `_FusedMatMul` where the graph has `MatMul` and `Add`. */
  readonly operation: string;
  readonly thread: number;
  /** Microseconds since the epoch. */
  readonly startUs: number;
  readonly durationUs: number;
}

/** Times of every operation in one traced run. */
export type StepStats = readonly OperationStats[];

/** RunOptions.TraceLevel.FULL_TRACE */
const fullTrace = 3;
/** A timeline's label: `node = Operation(inputs)`. */
const label = / = ([^(\s]+)\(/;

/** Serialized `RunOptions` that ask for every operation's time. */
export function tracedRunOptions(): Uint8Array {
  return encodeMessage('RunOptions', { traceLevel: fullTrace });
}

/** Reads every operation's time out of a serialized `RunMetadata`. */
export function decodeStepStats(runMetadata: Uint8Array): StepStats {
  return decodeRunMetadata(runMetadata).stepStats.devStats.flatMap(({ device, nodeStats }) =>
    nodeStats.map((node) => ({
      device,
      node: node.nodeName,
      operation: label.exec(node.timelineLabel)?.[1] ?? node.nodeName,
      thread: node.threadId,
      startUs: (node.allStartNanos + node.opStartRelNanos) / 1000,
      durationUs: (node.opEndRelNanos - node.opStartRelNanos) / 1000,
    })),
  );
}

/** First steps that are not recorded: TensorFlow prepares its graph and memory in them. */
const warmUpSteps = 2;

/** Steps of sessions, with the time of every operation. */
export interface Recording {
  /** Resolves with the recorded steps once there are as many as were asked for, or recording was stopped. */
  readonly done: Promise<readonly StepStats[]>;
  stop(): void;
}

/** Receives the times of a recorded step. */
export type OnStats = (stats: StepStats) => void;

let current: { next(): OnStats | undefined } | undefined;

/**
 * Records the next `steps` steps of this process's sessions, whichever take them, after two that warm up: calls of
 * compiled programs and training steps, but not what moves variables. Recording slows a step a little.
 */
export function recordSteps(steps: number): Recording {
  const recorded: StepStats[] = [];
  let resolve: (steps: readonly StepStats[]) => void;
  const done = new Promise<readonly StepStats[]>((settle) => (resolve = settle));
  let begun = -warmUpSteps;
  const recorder = {
    next: () => {
      begun++;
      if (begun <= 0 || begun > steps) return undefined;
      return (stats: StepStats) => {
        recorded.push(stats);
        if (recorded.length === steps) stop();
      };
    },
  };
  const stop = () => {
    if (current === recorder) current = undefined;
    resolve(recorded);
  };
  current = recorder;
  return { done, stop };
}

/** Takes the recorder of the step that a session is about to take; undefined where nothing records it. */
export function recorderOfNextStep(): OnStats | undefined {
  return current?.next();
}
