import { fsyncSync } from 'node:fs';
import { createRequire } from 'node:module';
import { isMainThread } from 'node:worker_threads';

/** Stack size of a native thread on Linux. Only what is touched takes memory. */
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
    if (isMainThread) process.on('exit', leaveUnlessSynced);
  }
  return koffi;
}

/** Errors of a sync on a terminal, a pipe or a closed descriptor, which need none. */
const needsNoSync = ['EINVAL', 'EBADF', 'ENOTSUP', 'EROFS'];

/**
 * Ends the process at once where what it printed cannot be synced, as on a failing disk: koffi syncs it too as the process
 * ends, tells of the failure with a lock held that telling takes, and waits for itself for good.
 */
function leaveUnlessSynced(exitCode: number): void {
  for (const descriptor of [1, 2])
    try {
      fsyncSync(descriptor);
    } catch (error) {
      if (needsNoSync.includes((error as NodeJS.ErrnoException).code ?? '')) continue;
      koffi!.load(null).func('void _exit(int)')(exitCode);
    }
}

/**
 * Opens a library by its path or name, and keeps it mapped until the process ends: unloading TensorFlow at exit crashes.
 *
 * @param binding `lazy` resolves functions at their first call, and is quicker with large libraries
 * @returns why it cannot be opened, in the loader's words; undefined where it is open
 */
export function keepOpen(library: string, binding: 'now' | 'lazy'): string | undefined {
  const mac = process.platform === 'darwin';
  const loader = nativeInterface().load(mac ? 'libSystem.B.dylib' : 'libdl.so.2');
  const dlopen = loader.func('void* dlopen(const char*, int)');
  // Looked up before the call: looking up forgets the last error.
  const dlerror = loader.func('const char* dlerror()');
  const flags = (binding === 'now' ? 0x2 : 0x1) | (mac ? 0x80 : 0x1000);
  const handle = dlopen(library, flags) as bigint | null;
  if (handle !== null && handle !== 0n) return undefined;
  return (dlerror() as string | null) ?? 'the loader gives no reason';
}
