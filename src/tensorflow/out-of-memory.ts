import { UserError } from '../base/errors.js';
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
  const tensor =
    type === undefined
      ? 'a tensor'
      : `a tensor of shape [${shape.join(', ')}], ${formatBytes(sizeOf(shape) * (bytesOf[type] ?? 4))}`;
  return new UserError({
    code: 'out-of-memory',
    message: `Not enough memory${device === 'GPU' ? ' on the GPU' : ''}: TensorFlow could not allocate ${tensor}.`,
    remedy:
      'Compute fewer samples at a time: a smaller `batch` of the stage, or for training a larger `accumulate` (or a smaller `globalBatch`); or a smaller model or image.',
    cause,
  });
}
