import { decodeRunMetadata, encodeMessage } from './protobuf.js';

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

/** What a traced run tells: every operation with its time. */
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
