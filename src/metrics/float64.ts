import { Session } from '../tensorflow/index.js';
import type { Graph, HostTensor, Output, RuntimeOptions } from '../tensorflow/index.js';

/**
 * Computes in float64 in a session of the CPU, off the event loop. Hosts hold no float64: it crosses as pairs of int32.
 *
 * @param signal ends the wait at once; a kernel under way goes on to its end, some seconds for 2,048 features
 * @throws the signal's reason
 */
export async function inFloat64<Result>(
  runtime: RuntimeOptions,
  signal: AbortSignal | undefined,
  work: (session: Session) => Promise<Result>,
): Promise<Result> {
  signal?.throwIfAborted();
  const session = new Session({ ...runtime, device: 'cpu', precision: 'float32' });
  let abort: (() => void) | undefined;
  try {
    const aborted = new Promise<never>((_, reject) => {
      abort = () => {
        reject(signal!.reason as Error);
      };
      signal?.addEventListener('abort', abort);
    });
    return await Promise.race([work(session), aborted]);
  } finally {
    if (abort !== undefined) signal?.removeEventListener('abort', abort);
    const closed = session.close();
    if (signal?.aborted !== true) await closed;
  }
}

/** A float64 tensor as pairs of int32, for a fetch. */
export const asPairs = (graph: Graph, value: Output): Output =>
  graph.node('Bitcast', [value], { type: { type: 'int32' } });

/** The float64 numbers of such pairs. */
export function asFloat64({ data }: HostTensor): Float64Array {
  const { buffer, byteOffset, byteLength } = data as Int32Array;
  return byteOffset % Float64Array.BYTES_PER_ELEMENT === 0
    ? new Float64Array(buffer, byteOffset, byteLength / Float64Array.BYTES_PER_ELEMENT)
    : new Float64Array(buffer.slice(byteOffset, byteOffset + byteLength));
}
