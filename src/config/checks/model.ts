import { counted } from '../../words.js';
import { code } from '../diagnostics/words.js';
import { nearestMultiples } from './autoencoder.js';
import type { StageCheck } from './context.js';
import { trainedShape } from './latents.js';

/** A token is shared out evenly between the heads, and its position embedding has four equal parts. */
export const hiddenSizeDivides: StageCheck<'train'> = ({ id, config: { model } }, context) => {
  const divisors = [
    { by: model.heads, reason: code('heads') },
    { by: 4, reason: 'the parts of the position embedding' },
  ];
  for (const { by, reason } of divisors) {
    if (model.hiddenSize % by === 0) continue;
    context.report(id, {
      at: 'model.hiddenSize',
      code: 'size-not-divisible',
      message: `${code('hiddenSize')} ${model.hiddenSize} cannot be divided by ${by} (${reason}).`,
      remedy: nearestMultiples(model.hiddenSize, by),
    });
  }
};

export const latentsDivideIntoPatches: StageCheck<'train'> = ({ id, config }, context) => {
  const { model } = config;
  const shape = trainedShape(context, config);
  if (!shape || shape.size % model.patchSize === 0) return;
  context.report(id, {
    at: model.name === undefined ? 'model.patchSize' : 'model.name',
    code: 'size-not-divisible',
    message: `Latents of ${counted(shape.size, 'pixel')} cannot be divided into patches of ${model.patchSize}.`,
    remedy: `Latents are the images' size divided by ${shape.downsample}: change ${code('size')}, or the patch size.`,
    because: `stages.${shape.images}.size`,
  });
};

export const batchDividesBetweenWorkers: StageCheck<'train'> = ({ id, config, own }, context) => {
  const workers = own?.runtime?.workers ?? context.runtime?.workers ?? 1;
  const share = config.globalBatch / workers;
  if (Number.isInteger(share)) {
    if (share % config.accumulate === 0) return;
    context.report(id, {
      at: 'accumulate',
      code: 'size-not-divisible',
      message: `A share of ${counted(share, 'latent')} a worker cannot be divided into ${code(`accumulate: ${config.accumulate}`)} equal parts.`,
      remedy: nearestMultiples(share, config.accumulate),
      because: `stages.${id}.globalBatch`,
    });
    return;
  }
  context.report(id, {
    at: 'globalBatch',
    code: 'size-not-divisible',
    message: `${code('globalBatch')} ${config.globalBatch} cannot be divided between ${counted(workers, 'worker')}.`,
    remedy: nearestMultiples(config.globalBatch, workers),
    because: own?.runtime?.workers === undefined ? 'runtime.workers' : `stages.${id}.runtime.workers`,
  });
};
