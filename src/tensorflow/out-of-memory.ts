import { UserError } from '../base/errors.js';
import { readWholeTextSync } from '../base/files.js';
import { formatBytes } from '../base/format.js';
import { sizeOf } from './data-types.js';

/** Bytes of a number, by the names that TensorFlow's messages have for types. */
const bytesOf: Readonly<Record<string, number>> = {
  float: 4,
  int32: 4,
  bfloat16: 2,
  half: 2,
  bool: 1,
  double: 8,
  int64: 8,
};

/** The error for a run that TensorFlow ended for lack of memory, from what it said. */
export function outOfMemory(cause: Error): UserError {
  const [, dimensions, type] = /shape\s?\[([\d,]*)\] and type (\w+)/.exec(cause.message) ?? [];
  const device = /device:(CPU|GPU)/.exec(cause.message)?.[1];
  const shape = dimensions?.split(',').map(Number) ?? [];
  // What XLA compiled takes its scratch memory at once.
  const scratch = /trying to allocate ([\d.]+[KMGT]iB)/.exec(cause.message)?.[1];
  const tensor =
    type === undefined
      ? scratch === undefined
        ? 'a tensor'
        : `${scratch} for a compiled program`
      : `a tensor of shape [${shape.join(', ')}], ${formatBytes(sizeOf(shape) * (bytesOf[type] ?? 4))}`;
  return new UserError({
    code: 'out-of-memory',
    message: `Not enough memory${device === 'GPU' ? ' on the GPU' : ''}: TensorFlow could not allocate ${tensor}.`,
    remedy:
      'Compute fewer samples at a time: a smaller `batch` of the stage, or for training a larger `accumulate` (or a smaller `globalBatch`); or a smaller model or image.',
    cause,
  });
}

/** Address space that the library is mapped into (0.95 GB), with the stacks of its threads and some for tensors. */
const neededBytes = 1.5e9;

/**
 * Refuses to load TensorFlow where the address space is limited (`ulimit -v`) to less than it needs: it ends the process
 * then, without a word that means anything to a person.
 *
 * @param readText reads a file of /proc
 * @throws UserError `address-space-limited`
 */
export function requireAddressSpace(readText: (path: string) => string = readWholeTextSync): void {
  const [limit, used] = [
    ['/proc/self/limits', /^Max address space +(\d+) /m, 1],
    ['/proc/self/status', /^VmSize:\s+(\d+) kB/m, 1024],
  ].map(([path, pattern, unit]) => {
    try {
      const found = (pattern as RegExp).exec(readText(path as string))?.[1];
      return found === undefined ? undefined : Number(found) * (unit as number);
    } catch {
      return undefined;
    }
  });
  if (limit === undefined || used === undefined || limit - used >= neededBytes) return;
  throw new UserError({
    code: 'address-space-limited',
    message: `The address space of this process is limited to ${formatBytes(limit)}, of which ${formatBytes(used)} are taken; TensorFlow needs ${formatBytes(neededBytes)} more, most of which is never filled.`,
    remedy:
      'Lift the limit with `ulimit -v unlimited`. What bounds memory without this effect is a control group, as of systemd-run, Slurm or Docker.',
  });
}
