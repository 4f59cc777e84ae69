import { totalmem } from 'node:os';
import type { TrainConfig } from '../../config/generated/index.js';
import { UserError } from '../../errors.js';
import { type MemoryChoice, sitCost, trainingMemory } from '../../models/sit/cost.js';
import type { SiTConfig } from '../../models/sit/config.js';
import { formatBytes } from '../../tensorflow/library/format-bytes.js';

/** What a stage's configuration decides about memory, for a worker that computes `share` samples a step. */
export function memoryChoice(
  { accumulate, ema, recompute }: Pick<TrainConfig, 'accumulate' | 'ema' | 'recompute'>,
  share: number,
): MemoryChoice {
  return { batch: share / accumulate, averages: [ema].flat().length, recompute };
}

/** Memory that this process may use: of the machine, or of the container that it runs in. */
function availableMemory(): number {
  const limit = process.constrainedMemory();
  // Without a limit it is 0, or larger than any machine.
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

/**
 * The bytes that a training is expected to need at its peak.
 *
 * @param share samples of a step that this process computes
 * @param readingBytes that its data needs beside it
 */
export function expectedMemory(
  config: TrainConfig,
  model: SiTConfig,
  share: number,
  readingBytes: number,
): number {
  return trainingMemory(sitCost(model), memoryChoice(config, share)) + readingBytes;
}

/** @throws UserError `memory-does-not-suffice` where the machine has fewer bytes than a training is expected to need */
export function requireMemory(
  config: TrainConfig,
  model: SiTConfig,
  share: number,
  readingBytes: number,
  available = availableMemory(),
): void {
  const needed = expectedMemory(config, model, share, readingBytes);
  if (needed <= available) return;
  throw new UserError({
    code: 'memory-does-not-suffice',
    message: `This training needs about ${formatBytes(needed)} of memory for ${memoryChoice(config, share).batch} samples at once; there are ${formatBytes(available)}.`,
    remedy: `Compute fewer at a time (a larger \`accumulate\`, now ${config.accumulate}, or a smaller \`globalBatch\`)${config.recompute ? '' : ', or set `recompute: true`'}; or take a smaller model.`,
  });
}
