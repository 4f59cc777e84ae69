import { formatBytes } from '../../base/format.js';
import type { TrainConfig } from '../../generated/index.js';
import { defaultMemoryMiB } from '../../models/autoencoder-kl/memory.js';
import { type SiTConfig, sitParameters } from '../../models/sit/config.js';
import { gpuTrainingMemory } from '../../models/sit/gpu-memory.js';
import { hostMemoryOnGpu, teacherMemory, trainingMemory } from '../../models/sit/memory.js';
import type { MemoryChoice } from '../../models/sit/memory.js';
import { decaysOf } from '../../training/averages.js';
import { muonCost } from '../../training/muon-cost.js';
import { besideMemory, routeOf, type BesideConfig } from './beside-cost.js';
import { type ComputingGpu, requireMemory } from '../shared/memory.js';

/** Memory limit of encoding and of decoding, each; the autoencoder's weights are small beside it. */
export const autoencoderBytes = defaultMemoryMiB * 2 ** 20;

/**
 * Bytes that Muon adds for each number that it trains: what its iteration holds of all matrices, less the second moment.
 * Measured at SiT-S/2 on a processor.
 */
const muonBytes = 8;

/** Choices, sizes and device that decide about the memory of a training's worker. */
export interface TrainingNeed {
  readonly config: Pick<TrainConfig, 'accumulate' | 'ema' | 'recompute' | 'optimizer'> & BesideConfig;
  readonly model: SiTConfig;
  /** Samples of a step that it computes. */
  readonly share: number;
  readonly workers: number;
  /** The model that it learns from, and the passes of it for each sample. */
  readonly teacher?: { readonly model: SiTConfig; readonly passes: number } | undefined;
  /** Bytes that its data need beside it. */
  readonly readingBytes: number;
  /** GPU that it computes on; the processor where there is none. */
  readonly gpu?: ComputingGpu | undefined;
}

/** Choices about memory in a stage's configuration, for a worker that computes `share` samples a step. */
export function memoryChoice(
  { accumulate, ema, recompute }: TrainingNeed['config'],
  share: number,
): MemoryChoice {
  return { batch: share / accumulate, averages: decaysOf(ema).length, recompute };
}

/** The bytes that a training is expected to need at its peak, of what computes. */
export function expectedMemory(need: TrainingNeed): number {
  const { config, model, share, workers, gpu, teacher } = need;
  const { tokenRouting } = config;
  // Steps without it need the most.
  const route = tokenRouting?.untilStep === undefined ? routeOf(tokenRouting, model) : undefined;
  const choice = { ...memoryChoice(config, share), route };
  const teaching = teacher === undefined ? 0 : teacherMemory(teacher.model, teacher.passes * choice.batch);
  const updating = config.optimizer ? muonBytes * muonCost(sitParameters(model)).parameters : 0;
  const readingBytes = need.readingBytes + teaching + besideMemory(config, model, choice.batch) + updating;
  if (gpu === undefined) return trainingMemory(model, choice) + readingBytes;
  const all = { ...choice, accumulates: config.accumulate > 1, exchanges: workers > 1 };
  return gpuTrainingMemory(model, all, gpu) + readingBytes;
}

/** The bytes of the machine's memory that it needs. */
export function hostMemory(need: TrainingNeed): number {
  return need.gpu === undefined ? expectedMemory(need) : hostMemoryOnGpu(need.model);
}

/** @throws UserError `memory-does-not-suffice` where what computes has fewer bytes than a training is expected to need */
export function requireTrainingMemory(need: TrainingNeed, available?: number): void {
  const memory = {
    what: 'This training',
    bytes: expectedMemory(need),
    samples: memoryChoice(need.config, need.share).batch,
    remedy: (most: number) => remedyFor(need, most),
    gpu: need.gpu,
  };
  requireMemory(memory, available);
}

/** Remedies that fit into so many bytes: the fewest parts of a batch, blocks that are computed anew, or both. */
function remedyFor({ config, ...need }: TrainingNeed, most: number): string {
  const parts = Array.from({ length: need.share }, (_, i) => i + 1).filter(
    (parts) => parts > config.accumulate && need.share % parts === 0,
  );
  const bytesWith = (change: Partial<TrainingNeed['config']>) =>
    expectedMemory({ ...need, config: { ...config, ...change } });
  const fewest = (recompute: boolean) =>
    parts.find((accumulate) => bytesWith({ accumulate, recompute }) <= most);
  const changes: Partial<TrainingNeed['config']>[] = [];
  const alone = fewest(config.recompute);
  if (alone !== undefined) changes.push({ accumulate: alone });
  if (!config.recompute && bytesWith({ recompute: true }) <= most) changes.push({ recompute: true });
  const both = changes.length > 0 || config.recompute ? undefined : fewest(true);
  if (both !== undefined) changes.push({ accumulate: both, recompute: true });
  const words = changes.map((change) => {
    const keys = Object.entries(change).map(([key, value]) => `\`${key}: ${JSON.stringify(value)}\``);
    return `${keys.join(' with ')} (about ${formatBytes(bytesWith(change))})`;
  });
  if (words.length > 0) return `Set ${words.join(', or ')}; or use a smaller \`globalBatch\` or model.`;
  const least = bytesWith({ accumulate: need.share, recompute: true });
  return `Even one sample at a time with \`recompute: true\` needs about ${formatBytes(least)}: use a smaller model.`;
}
