import { UserError } from '../../base/errors.js';
import { counted, formatBytes, formatLarge } from '../../base/format.js';
import type { TrainConfig } from '../../generated/index.js';
import { carryLines } from '../../models/sit/carry.js';
import { type SiTConfig, shapeOf, sitParameters } from '../../models/sit/config.js';
import { type ModelCost, sitCost } from '../../models/sit/cost.js';
import type { RuntimeConfig, StageFact, StageTiming } from '../../runner/stage.js';
import { powerAverages } from '../../training/averages.js';
import { muonCost } from '../../training/muon-cost.js';
import { describePretrained } from '../pretrained/open-pretrained.js';
import { type ComputingGpu, computingGpu, neededMemory } from '../shared/memory.js';
import { encoderOf, scaleFacts } from '../shared/latent-scale.js';
import { type PlannedLatents, plannedTrainingLatents, type Resolve } from '../shared/planned.js';
import { besideFacts, endingParts } from './beside-cost.js';
import { modelConfig } from './config.js';
import {
  autoencoderBytes,
  expectedMemory,
  hostMemory,
  memoryChoice,
  requireTrainingMemory,
  type TrainingNeed,
} from './memory.js';

/** Describes the cost and length of a training, as far as configurations and cached outputs tell. */
export async function describeTrain(
  config: TrainConfig,
  resolve: Resolve,
  runtime: RuntimeConfig,
  directory: string,
): Promise<readonly StageFact[]> {
  const latents = plannedTrainingLatents(config, resolve);
  const taught =
    config.teacher === undefined
      ? undefined
      : await (await import('./teacher.js')).plannedTeacher(config, resolve, directory);
  const carry =
    config.start === undefined
      ? undefined
      : await (await import('./start.js')).plannedCarry(config, resolve, directory);
  return [
    ...(typeof config.start === 'object' ? await describePretrained(config.start, directory) : []),
    ...(await describeScales(config, resolve, directory)),
    ...(carry === undefined ? [] : carryLines(carry).map((value) => ({ label: 'start', value }))),
    ...(latents === undefined
      ? []
      : modelFacts(config, latents, runtime.workers, computingGpu(runtime), taught)),
    ...lengthFacts(config, latents?.count),
    ...snapshotFacts(config, latents),
    ...untilFacts(config),
  ];
}

/** Warns where a model to start from was trained on latents of another scale than those of the autoencoder. */
async function describeScales(
  { start, latents, autoencoder }: TrainConfig,
  resolve: Resolve,
  folder: string,
): Promise<readonly StageFact[]> {
  const encoder = latents === undefined ? autoencoder : encoderOf(resolve(latents));
  return start === undefined || encoder === undefined
    ? []
    : scaleFacts([start], encoder, { resolve, folder });
}

function modelFacts(
  config: TrainConfig,
  latents: PlannedLatents,
  workers: number,
  gpu: ComputingGpu | undefined,
  teacher: TrainingNeed['teacher'],
): StageFact[] {
  const classes = latents.classes ?? 0;
  const model = modelConfig(config, { ...latents, classes });
  const cost = sitCost(model);
  const share = config.globalBatch / workers;
  const { batch } = memoryChoice(config, share);
  const training = { config, model, share, workers, gpu, teacher, readingBytes: 0 };
  const bytes = expectedMemory(training);
  const coding = [
    ...(config.images === undefined ? [] : ['encode images']),
    ...(config.samples === undefined && config.evaluate === undefined ? [] : ['decode pictures of samples']),
  ].map((what) => `, and up to ${formatBytes(autoencoderBytes)} to ${what}`);
  const perClass = latents.classes === undefined ? `, and ${model.hiddenSize} a class` : '';
  return [
    { label: 'parameters', value: `${formatLarge(cost.parameters)}${perClass}` },
    { label: 'GFLOPs a sample', value: gigas(cost) },
    ...(teacher === undefined
      ? []
      : [
          {
            label: 'teacher',
            value: `${gigas(sitCost(teacher.model), teacher.passes)} GFLOPs a sample more, in every step`,
          },
        ]),
    ...besideFacts(config, model),
    ...optimizerFacts(config, model),
    ...(config.directionLoss === undefined
      ? []
      : [{ label: 'direction loss', value: `weight ${config.directionLoss}, in no time worth telling` }]),
    {
      label: gpu === undefined ? 'memory' : 'GPU memory',
      bytes: hostMemory(training),
      value: `${neededMemory(bytes, gpu, workers, counted(batch, 'latent'))}${coding.join('')}`,
    },
  ];
}

/** Describes what trains which parameters, and what it costs beside AdamW. */
function optimizerFacts({ optimizer }: TrainConfig, model: SiTConfig): StageFact[] {
  if (optimizer === undefined) return [];
  const { parameters, multiplyAccumulates } = muonCost(sitParameters(model));
  return [
    {
      label: 'optimizer',
      value: `Muon for ${formatLarge(parameters)} parameters, ${(multiplyAccumulates / 1e9).toFixed(2)} GFLOPs a step more; AdamW for the others`,
    },
  ];
}

/** Describes the snapshots of averages by a power, which stay in the output. */
function snapshotFacts(config: TrainConfig, latents: PlannedLatents | undefined): StageFact[] {
  const averages = powerAverages(config.ema);
  if (averages === undefined) return [];
  const { snapshotEverySteps: every, relativeWidths } = averages;
  const steps = latents?.count === undefined ? config.steps : totalSteps(config, latents.count);
  if (latents === undefined || steps === undefined)
    return [{ label: 'snapshots', value: `every ${formatLarge(every)} steps` }];
  const { parameters } = sitCost(modelConfig(config, { ...latents, classes: latents.classes ?? 0 }));
  const count = Math.floor(steps / every);
  const bytes = 4 * parameters * count * relativeWidths.length;
  return [
    {
      label: 'snapshots',
      value: `${formatLarge(count)} of ${counted(relativeWidths.length, 'average')}, ${formatBytes(bytes)} in the output`,
    },
  ];
}

const gigas = ({ multiplyAccumulates }: ModelCost, times = 1): string =>
  ((times * multiplyAccumulates) / 1e9).toFixed(2);

/** Describes values that hold at first, and the step at which they change. */
function untilFacts({ until }: TrainConfig): StageFact[] {
  if (until === undefined) return [];
  const { step, ...values } = until;
  const text = Object.entries(values).map(([key, value]) =>
    `${key} ${JSON.stringify(value)}`.replaceAll('"', ''),
  );
  return [{ label: `until step ${formatLarge(step)}`, value: text.join(', ') }];
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

/** @throws UserError `untrained-guidance` where samples during training would be guided by a model without a null class */
export function requireClassesToGuide(config: TrainConfig, model: SiTConfig): void {
  if (config.modelGuidance !== undefined && model.labelDropout === 0)
    throw new UserError({
      code: 'untrained-guidance',
      message: `Guidance compares a class with no class, and the images to train on have ${counted(model.classes, 'class', 'classes')}: \`modelGuidance\` has nothing to learn.`,
      remedy: 'Remove `modelGuidance`.',
    });
  const key = (['samples', 'evaluate'] as const).find((key) => (config[key]?.guidanceScale ?? 1) !== 1);
  if (key === undefined || model.labelDropout > 0) return;
  throw new UserError({
    code: 'untrained-guidance',
    message: `Guidance compares a class with no class, and the images to train on have ${counted(model.classes, 'class', 'classes')}; \`guidanceScale\` of \`${key}\` is ${config[key]!.guidanceScale}.`,
    remedy: 'Use `guidanceScale: 1`.',
  });
}

/** @throws UserError as `requireClassesToGuide`, where it is known already that there is one class */
export function requirePlannedClassesToGuide(config: TrainConfig, resolve: Resolve): void {
  const latents = plannedTrainingLatents(config, resolve);
  if (latents?.classes === 1) requireClassesToGuide(config, modelConfig(config, { ...latents, classes: 1 }));
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

/**
 * Refuses what would change nothing in a training of so many steps: of one that counts in steps its checks tell it, of one
 * that counts in epochs the number of images.
 *
 * @throws UserError `no-effect`
 */
export function requireEffects(
  { epochs, until, modelGuidance, evaluate, ...config }: TrainConfig,
  total: number,
): void {
  const changes = {
    'until.step': until?.step,
    ...Object.fromEntries(endingParts.map((part) => [`${part}.untilStep`, config[part]?.untilStep])),
    'modelGuidance.fromStep': modelGuidance?.fromStep,
    'evaluate.everySteps': evaluate && evaluate.everySteps - 1,
  };
  const late = Object.entries(changes).find(([, step]) => step !== undefined && step >= total);
  if (late === undefined || epochs === undefined) return;
  const [key] = late;
  throw new UserError({
    code: 'no-effect',
    message: `\`epochs: ${epochs}\` of these images are ${counted(total, 'step')}: \`${key}\` comes after the last of them, and changes nothing.`,
    remedy: `Use ${total === 1 ? 'more epochs' : `less than ${formatLarge(total)}, or more epochs`}.`,
  });
}

/** @throws UserError as `requireEffects`, where the images are counted already */
export function requirePlannedEffects(config: TrainConfig, resolve: Resolve): void {
  const count = plannedTrainingLatents(config, resolve)?.count;
  if (count !== undefined) requireEffects(config, totalSteps(config, count));
}

/**
 * Refuses a training that a GPU of this machine cannot hold. The processor's memory is looked at where it computes: that
 * may be another machine.
 *
 * @throws UserError `memory-does-not-suffice`
 */
export function requirePlannedMemory(
  config: TrainConfig,
  resolve: Resolve,
  runtime: RuntimeConfig,
  teacher?: TrainingNeed['teacher'],
): void {
  const gpu = computingGpu(runtime);
  const latents = gpu && plannedTrainingLatents(config, resolve);
  if (latents === undefined) return;
  const { workers } = runtime;
  const model = modelConfig(config, { ...latents, classes: latents.classes ?? 0 });
  const readingBytes = config.images === undefined ? 0 : autoencoderBytes;
  requireTrainingMemory({
    config,
    model,
    share: config.globalBatch / workers,
    workers,
    gpu,
    teacher,
    readingBytes,
  });
}

/** Work of a training in steps, which take as long for the same model, latents and batch. */
export function trainTiming(config: TrainConfig, resolve: Resolve): StageTiming | undefined {
  const latents = plannedTrainingLatents(config, resolve);
  if (latents === undefined) return undefined;
  const { globalBatch, accumulate, recompute, samples, evaluate, teacher } = config;
  const { selfAlignment, featureAlignment, modelGuidance, tokenRouting } = config;
  const { latentSize, channels, count } = latents;
  // Classes make rows of a table, of which a step reads a few.
  const model = modelConfig(config, { ...latents, classes: 0 });
  return {
    amount: count === undefined ? config.steps : totalSteps(config, count),
    like: {
      shape: shapeOf(model),
      ...{ globalBatch, accumulate, recompute, samples, evaluate, teacher, latentSize, channels },
      ...{ selfAlignment, featureAlignment, modelGuidance, tokenRouting },
      optimizer: config.optimizer?.kind,
      encodes: config.images !== undefined,
    },
  };
}
