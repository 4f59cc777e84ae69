import { createRequire } from 'node:module';

/** As much as a thread has on Linux. Only what is touched takes memory. */
const stackBytes = 8 * 2 ** 20;

let koffi: typeof import('koffi') | undefined;

/**
 * The interface to native libraries. It is loaded with its first use: what needs none, such as `plan`, does without.
 *
 * Calls off the event loop get a whole thread's stack, in place of 128 KiB: TensorFlow prepares graphs on its caller's
 * stack, and computes on it where the queues of its own threads are full.
 */
export function nativeInterface(): typeof import('koffi') {
  if (koffi === undefined) {
    koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
    koffi.config({ async_stack_size: stackBytes });
  }
  return koffi;
}
