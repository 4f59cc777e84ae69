import { sha256 } from '@noble/hashes/sha2.js';
import { EagerSession } from '../../../tensorflow/eager-session.js';

/**
 * Stands in, in the browser, for the modules of the engine that are native and for those of Node that the others use.
 * Programs run operation by operation there, so that none of what is native is ever called.
 */

/** A graph's tracer, of which there is none. */
export const Tracer = { current: undefined };

/** Counterpart of the engine's, for the operations in JavaScript. */
export const engineKind = (): 'wasm' => 'wasm';

export const openSession = (): EagerSession => new EagerSession();

/** No session is one of these. */
export class Session {
  readonly compiles = false;
}

export const nativeBackend = (): never => absent();
export const untraceable = (): never => absent();

function absent(): never {
  throw new Error('There is no native TensorFlow in a browser.');
}

/** Counterpart of Node's: SHA-256 alone. */
export function createHash(): { update(text: string): { digest(): { readInt32LE(at: number): number } } } {
  return {
    update: (text) => ({
      digest: () => {
        const { buffer } = sha256(new TextEncoder().encode(text));
        return { readInt32LE: (at) => new DataView(buffer).getInt32(at, true) };
      },
    }),
  };
}

const waiting: (() => void)[] = [];
const channel = new MessageChannel();
channel.port1.onmessage = () => waiting.shift()?.();

/** Counterpart of that of `node:timers/promises`: resolves after what else waits to be done. */
export function setImmediate(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    channel.port2.postMessage(undefined);
  });
}
