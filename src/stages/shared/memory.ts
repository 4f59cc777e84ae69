import { totalmem } from 'node:os';
import { UserError } from '../../base/errors.js';
import { counted, formatBytes } from '../../base/format.js';
import { smallestGpu } from '../../distributed/device-environment.js';
import type { GpuWay } from '../../models/sit/gpu-memory.js';
import type { RuntimeConfig } from '../../runner/stage.js';
import { type Gpu, usableBytes } from '../../tensorflow/gpus.js';
import { preparationOf } from '../../tensorflow/runtime-options.js';

/** GPU that computes, with what its memory depends on. */
export interface ComputingGpu extends GpuWay, Pick<Gpu, 'name'> {
  /** Bytes of it that TensorFlow takes at most. */
  readonly bytes: number;
}

/** The GPU that a stage's worker computes on here, that with the least memory of several; undefined where none does. */
export function computingGpu(runtime: RuntimeConfig, env?: NodeJS.ProcessEnv): ComputingGpu | undefined {
  const gpu = smallestGpu(runtime.device, env);
  if (gpu === undefined) return undefined;
  const { computeCapability } = gpu;
  const place = { devices: ['CPU', 'GPU'], computeCapability, avx512: false, oneDnn: false };
  // As sessions of SiT ask for it.
  const options = { ...runtime, rewriting: false };
  const { compiled, mixed } = preparationOf(options, { ...place, workers: runtime.workers > 1 });
  return { name: gpu.name, bytes: usableBytes(gpu), compiled, halves: mixed };
}

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

/** Words of `plan` about the memory that a stage needs of a GPU, or of the machine where the processor computes. */
export function neededMemory(
  bytes: number,
  gpu: Pick<ComputingGpu, 'bytes' | 'name'> | undefined,
  workers: number,
  atOnce: string,
): string {
  const of = gpu === undefined ? '' : ` of ${formatBytes(gpu.bytes)} on ${gpu.name}`;
  return `about ${formatBytes(bytes)}${of}${workers > 1 ? ' a worker' : ''} for ${atOnce} at once`;
}

/** Largest of 1 to `most` whose bytes are no more than there are; undefined where not even 1 fits. */
export function largestThatFits(
  most: number,
  bytesOf: (count: number) => number,
  available: number,
): number | undefined {
  for (let count = most; count >= 1; count--) if (bytesOf(count) <= available) return count;
  return undefined;
}

/** Need of memory, in the words of its error. */
export interface MemoryNeed {
  /** Subject, such as `This training`. */
  readonly what: string;
  /** Bytes that it is expected to need at its peak. */
  readonly bytes: number;
  /** Samples that it computes at once, and a noun for one of them, `sample` by default. */
  readonly samples: number;
  readonly noun?: string;
  /** Ways to need no more than so many bytes, in words. */
  readonly remedy: (most: number) => string;
  /** GPU that computes; the processor does where there is none. */
  readonly gpu?: ComputingGpu | undefined;
}

/** @throws UserError `memory-does-not-suffice` where the machine has fewer bytes than are expected to be needed */
export function requireMemory(
  { what, bytes, samples, noun = 'sample', remedy, gpu }: MemoryNeed,
  available = gpu?.bytes ?? availableMemory(),
): void {
  if (bytes <= available) return;
  throw new UserError({
    code: 'memory-does-not-suffice',
    message: `${what} needs about ${formatBytes(bytes)} of ${gpu === undefined ? '' : 'GPU '}memory for ${counted(samples, noun)} at once; there are ${formatBytes(available)}${gpu === undefined ? '' : ` for it on ${gpu.name}`}.`,
    remedy: remedy(available),
  });
}
