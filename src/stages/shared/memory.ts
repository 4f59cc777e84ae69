import { totalmem } from 'node:os';
import { UserError } from '../../base/errors.js';
import { counted, formatBytes } from '../../base/format.js';

/** Memory that this process may use: of the machine, or of the container that it runs in. */
export function availableMemory(): number {
  const limit = process.constrainedMemory();
  // Without a limit it is 0, or larger than any machine.
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

/** Memory as summaries tell it, in whole megabytes. */
export function toMegabytes(bytes: number): number {
  return Math.round(bytes / 1e6);
}

/** Need of memory, in the words of its error. */
export interface MemoryNeed {
  /** Subject, such as `This training`. */
  readonly what: string;
  /** Bytes that it is expected to need at its peak. */
  readonly bytes: number;
  /** Samples that it computes at once. */
  readonly samples: number;
  /** Remedy: how to need less. */
  readonly remedy: string;
}

/** @throws UserError `memory-does-not-suffice` where the machine has fewer bytes than are expected to be needed */
export function requireMemory(
  { what, bytes, samples, remedy }: MemoryNeed,
  available = availableMemory(),
): void {
  if (bytes <= available) return;
  throw new UserError({
    code: 'memory-does-not-suffice',
    message: `${what} needs about ${formatBytes(bytes)} of memory for ${counted(samples, 'sample')} at once; there are ${formatBytes(available)}.`,
    remedy,
  });
}
