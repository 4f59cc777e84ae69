import { UserError } from '../../base/errors.js';
import { counted, formatBytes, formatLarge } from '../../base/format.js';
import type { TrainConfig } from '../../generated/index.js';
import { defaultMemoryMiB } from '../../models/autoencoder-kl/memory.js';
import { carryLines } from '../../models/sit/carry.js';
import type { SiTConfig } from '../../models/sit/config.js';
import { sitCost } from '../../models/sit/cost.js';
import { type MemoryChoice, trainingMemory } from '../../models/sit/memory.js';
import type { RuntimeConfig, StageFact } from '../../runner/stage.js';
import { describePretrained } from '../pretrained/open-pretrained.js';
import { requireMemory } from '../shared/memory.js';
import { type PlannedLatents, plannedTrainingLatents, type Resolve } from '../shared/planned.js';
import { modelConfig } from './config.js';

/** Memory limit of encoding and of decoding, each; the autoencoder's weights are small beside it. */
const autoencoderBytes = defaultMemoryMiB * 2 ** 20;

/** Describes the cost and length of a training, as far as configurations and cached outputs tell. */
export async function describeTrain(
  config: TrainConfig,
  resolve: Resolve,
  { workers }: Pick<RuntimeConfig, 'workers'>,
  directory: string,
): Promise<readonly StageFact[]> {
  const latents = plannedTrainingLatents(config, resolve);
  const carry =
    config.start === undefined
      ? undefined
      : await (await import('./start.js')).plannedCarry(config, resolve, directory);
  return [
    ...(typeof config.start === 'object' ? await describePretrained(config.start, directory) : []),
    ...(carry === undefined ? [] : carryLines(carry).map((value) => ({ label: 'start', value }))),
    ...(latents === undefined ? [] : modelFacts(config, latents, workers)),
    ...lengthFacts(config, latents?.count),
  ];
}

function modelFacts(config: TrainConfig, latents: PlannedLatents, workers: number): StageFact[] {
  const classes = latents.classes ?? 0;
  const model = modelConfig(config, { ...latents, classes });
  const cost = sitCost(model);
  const choice = memoryChoice(config, config.globalBatch / workers);
  const coding = [
    ...(config.images === undefined ? [] : ['encode images']),
    ...(config.samples === undefined ? [] : ['decode pictures of samples']),
  ].map((what) => `, and up to ${formatBytes(autoencoderBytes)} to ${what}`);
  const perClass = latents.classes === undefined ? `, and ${model.hiddenSize} a class` : '';
  return [
    { label: 'parameters', value: `${formatLarge(cost.parameters)}${perClass}` },
    { label: 'GFLOPs a sample', value: (cost.multiplyAccumulates / 1e9).toFixed(2) },
    {
      label: 'memory',
      bytes: trainingMemory(model, choice),
      value: `about ${formatBytes(trainingMemory(model, choice))}${workers > 1 ? ' a worker' : ''} for ${counted(choice.batch, 'latent')} at once${coding.join('')}`,
    },
  ];
}

/** Facts about the length of a training; without a number of images neither epochs nor steps tell the other. */
function lengthFacts(config: TrainConfig, images: number | undefined): StageFact[] {
  const { steps, epochs, globalBatch } = config;
  if (images === undefined)
    return [
      epochs === undefined
        ? { label: 'steps', value: formatLarge(steps!) }
        : { label: 'epochs', value: String(epochs) },
      ...(steps === undefined ? [] : [{ label: 'images seen', value: formatLarge(steps * globalBatch) }]),
    ];
  const total = totalSteps(config, images);
  const passes = total / stepsPerEpoch(config, images);
  return [
    { label: 'steps', value: formatLarge(total) },
    { label: 'epochs', value: passes.toLocaleString('en-US', { maximumFractionDigits: 1 }) },
    { label: 'images seen', value: formatLarge(total * globalBatch) },
  ];
}

/** @throws UserError `size-not-divisible` for latents of another program that do not divide into patches */
export function requireWholePatches({ latentSize, patchSize }: SiTConfig): void {
  if (latentSize % patchSize === 0) return;
  throw new UserError({
    code: 'size-not-divisible',
    message: `Latents of ${latentSize} × ${latentSize} cannot be divided into patches of ${patchSize}.`,
    remedy: 'Change the patch size.',
  });
}

/** @throws UserError `untrained-guidance` where pictures of samples would be guided by a model without a null class */
export function requireGuidable({ samples }: TrainConfig, model: SiTConfig): void {
  if (samples === undefined || samples.guidanceScale === 1 || model.labelDropout > 0) return;
  throw new UserError({
    code: 'untrained-guidance',
    message: `Guidance compares a class with no class, and the images to train on have ${counted(model.classes, 'class', 'classes')}; \`guidanceScale\` of \`samples\` is ${samples.guidanceScale}.`,
    remedy: 'Use `guidanceScale: 1`.',
  });
}

/** @throws UserError as `requireGuidable`, where it is known already that there is one class */
export function requirePlannedGuidable(config: TrainConfig, resolve: Resolve): void {
  const latents = plannedTrainingLatents(config, resolve);
  if (latents?.classes === 1) requireGuidable(config, modelConfig(config, { ...latents, classes: 1 }));
}

/** Steps of an epoch; its last, incomplete batch is not taken, as in the reference. */
export function stepsPerEpoch({ globalBatch }: Pick<TrainConfig, 'globalBatch'>, samples: number): number {
  return Math.max(1, Math.floor(samples / globalBatch));
}

/** Steps of the whole training. */
export function totalSteps(
  config: Pick<TrainConfig, 'steps' | 'epochs' | 'globalBatch'>,
  samples: number,
): number {
  return config.steps ?? config.epochs! * stepsPerEpoch(config, samples);
}

/** Choices about memory in a stage's configuration, for a worker that computes `share` samples a step. */
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
