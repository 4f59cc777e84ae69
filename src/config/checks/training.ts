import { code } from '../diagnostics/words.js';
import type { CheckContext, StageCheck } from './context.js';
import { trainedOn, trainedShape } from './latents.js';
import { autoencoderFacts } from './pretrained-autoencoder.js';

/** Stored latents are cropped and mirrored by the stage that encodes. */
export const croppingIsOfImages: StageCheck<'train'> = ({ id, config }, context) => {
  if (config.latents === undefined) return;
  const report = (at: 'flips' | 'crop', remedy: string) => {
    context.report(id, {
      at,
      code: 'no-effect',
      message: `${code(at)} is of images that are encoded during training; ${code('latents')} are trained on as they are.`,
      remedy,
    });
  };
  if (config.flips !== false) report('flips', `Set ${code('flips')} of ${code(config.latents)}.`);
  if (config.crop !== 'centre')
    report('crop', `Remove it, or train on ${code('images')} and ${code('autoencoder')}.`);
};

/** Pictures during training need what any sampling needs. */
export const trainingSamplesCanBeDrawn: StageCheck<'train'> = ({ id, config }, context) => {
  const { samples, model } = config;
  if (samples === undefined) return;
  if (samples.guidanceScale !== 1 && model.labelDropout === 0) {
    context.report(id, {
      at: 'samples.guidanceScale',
      code: 'untrained-guidance',
      message: `Guidance needs a model that also knows images without a class; this one is trained with ${code('labelDropout: 0')}.`,
      remedy: `Use ${code('guidanceScale: 1')}, or train with ${code('labelDropout: 0.1')}.`,
      because: `stages.${id}.model.labelDropout`,
    });
  }
  const channels = trainedShape(context, config)?.channels;
  if (
    samples.guidanceScale !== 1 &&
    samples.guidanceChannels === 3 &&
    channels !== undefined &&
    channels < 3
  ) {
    context.report(id, {
      at: 'samples.guidanceScale',
      code: 'too-few-channels',
      message: `The first 3 latent channels cannot be guided: there are ${channels}.`,
      remedy: `Use ${code('guidanceChannels: all')}.`,
    });
  }
  decodesWhatWasEncoded(id, config, samples.autoencoder, context);
};

function decodesWhatWasEncoded(
  id: string,
  config: Parameters<StageCheck<'train'>>[0]['config'],
  decoder: string,
  context: CheckContext,
): void {
  const encoder = trainedOn(context, config)?.autoencoder;
  const encoding = encoder === undefined ? undefined : autoencoderFacts(context, encoder);
  const decoding = autoencoderFacts(context, decoder);
  if (encoder === undefined || !encoding || !decoding) return;
  if (encoding.latentChannels === decoding.latentChannels) return;
  context.report(id, {
    at: 'samples.autoencoder',
    code: 'autoencoder-mismatch',
    message: `${code(decoder)} has ${code(`latentChannels: ${decoding.latentChannels}`)}, and ${code(encoder)}, which made the latents, has ${code(`latentChannels: ${encoding.latentChannels}`)}.`,
    remedy: `Decode with ${code(encoder)}.`,
  });
}
