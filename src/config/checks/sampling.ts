import { code } from '../diagnostics/words.js';
import type { StageCheck } from './context.js';
import { latentShape } from './latents.js';

/** The last step divides by the noise that remains before it: with a size of zero there is none. */
export const lastStepCanBeTaken: StageCheck<'sample'> = ({ id, config: { sampler } }, context) => {
  if (sampler.kind !== 'sde' || sampler.lastStep === 'none' || sampler.lastStepSize > 0) return;
  context.report(id, {
    at: 'sampler.lastStepSize',
    code: 'impossible-sampler',
    message: `A last step of size 0 starts where no noise is left, and ${code(`lastStep: ${sampler.lastStep}`)} would divide by zero.`,
    remedy: `Use ${code('lastStep: none')}, or a size such as 0.04.`,
  });
};

/** Guidance compares with the null class, which is trained by label dropout only. */
export const guidanceWasTrained: StageCheck<'sample'> = ({ id, config }, context) => {
  const train = context.config('train', config.model);
  if (!train || config.guidanceScale === 1) return;
  if (train.model.labelDropout === 0) {
    context.report(id, {
      at: 'guidanceScale',
      code: 'untrained-guidance',
      message: `Guidance needs a model that also knows images without a class; ${code(config.model)} is trained with ${code('labelDropout: 0')}.`,
      remedy: `Use ${code('guidanceScale: 1')}, or train with ${code('labelDropout: 0.1')}.`,
      because: `stages.${config.model}.model.labelDropout`,
    });
  }
  const channels = latentShape(context, train.latents)?.channels;
  if (config.guidanceChannels === 3 && channels !== undefined && channels < 3) {
    context.report(id, {
      at: 'guidanceScale',
      code: 'too-few-channels',
      message: `The first 3 latent channels cannot be guided: there are ${channels}.`,
      remedy: `Use ${code('guidanceChannels: all')}.`,
    });
  }
};

/** Another autoencoder may decode than encoded, if its latents have the same shape. */
export const latentsCanBeDecoded: StageCheck<'sample'> = ({ id, config }, context) => {
  const train = context.config('train', config.model);
  const encoder = train && context.config('encode', train.latents)?.autoencoder;
  const encoding = encoder === undefined ? undefined : context.config('autoencoder', encoder);
  const decoding = context.config('autoencoder', config.autoencoder);
  if (!encoding || !decoding) return;
  for (const key of ['latentChannels', 'downsample'] as const) {
    if (encoding[key] === decoding[key]) continue;
    context.report(id, {
      at: 'autoencoder',
      code: 'autoencoder-mismatch',
      message: `${code(config.autoencoder)} has ${code(`${key}: ${decoding[key]}`)}, and ${code(encoder)}, which made the latents that ${code(config.model)} is trained on, has ${code(`${key}: ${encoding[key]}`)}.`,
      remedy: `Decode with ${code(encoder)}.`,
    });
  }
};
