import type { TrainConfig } from '../../config/generated/index.js';
import { type MemoryChoice, trainingMemory } from '../../models/sit/memory.js';
import type { SiTConfig } from '../../models/sit/config.js';
import { requireMemory } from '../memory.js';

/** What a stage's configuration decides about memory, for a worker that computes `share` samples a step. */
export function memoryChoice(
  { accumulate, ema, recompute }: Pick<TrainConfig, 'accumulate' | 'ema' | 'recompute'>,
  share: number,
): MemoryChoice {
  return { batch: share / accumulate, averages: [ema].flat().length, recompute };
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
  return trainingMemory(model, memoryChoice(config, share)) + readingBytes;
}

/** @throws UserError `memory-does-not-suffice` where the machine has fewer bytes than a training is expected to need */
export function requireTrainingMemory(
  config: TrainConfig,
  model: SiTConfig,
  share: number,
  readingBytes: number,
  available?: number,
): void {
  const need = {
    what: 'This training',
    bytes: expectedMemory(config, model, share, readingBytes),
    samples: memoryChoice(config, share).batch,
    remedy: `Compute fewer at a time (a larger \`accumulate\`, now ${config.accumulate}, or a smaller \`globalBatch\`)${config.recompute ? '' : ', or set `recompute: true`'}; or take a smaller model.`,
  };
  requireMemory(need, available);
}
