import type { TrainConfig } from '../../config/generated/index.js';
import { defaultMemoryMiB } from '../../models/autoencoder-kl/memory.js';
import { carryLines } from '../../models/sit/carry.js';
import { sitCost } from '../../models/sit/cost.js';
import { trainingMemory } from '../../models/sit/memory.js';
import type { RuntimeConfig, StageFact } from '../../pipeline/stage.js';
import { formatBytes } from '../../tensorflow/library/format-bytes.js';
import { counted } from '../../words.js';
import { formatLarge } from '../planned/format-large.js';
import { type PlannedLatents, type Resolve, plannedTrainingLatents } from '../planned/inputs.js';
import { stepsPerEpoch, totalSteps } from './length.js';
import { memoryChoice } from './memory.js';
import { modelConfig } from './model-config.js';
import { plannedCarry } from './start.js';

/** What encoding and decoding are kept to, each; the autoencoder's weights are small beside it. */
const autoencoderBytes = defaultMemoryMiB * 2 ** 20;

/** What a training costs and how long it is, as far as configurations and cached outputs tell. */
export async function describeTrain(
  config: TrainConfig,
  resolve: Resolve,
  { workers }: Pick<RuntimeConfig, 'workers'>,
  directory: string,
): Promise<readonly StageFact[]> {
  const latents = plannedTrainingLatents(config, resolve);
  const carry = await plannedCarry(config, resolve, directory);
  return [
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

/** Without a number of images neither epochs nor steps tell the other. */
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
