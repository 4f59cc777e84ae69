import { counted } from '../../base/format.js';
import { code } from '../../runner/diagnostics.js';
import { autoencoderFacts, nearestMultiples } from '../autoencoder/checks.js';
import type { CheckContext, StageCheck } from '../shared/check.js';
import { isOfFeatures, latentMetric, networkFor } from './figures.js';

/** Rejects a second reference: a stage or a file, not both. */
const referenceIsWrittenOnce: StageCheck<'evaluate'> = ({ id, config }, context) => {
  if (config.reference === undefined || config.referenceFile === undefined) return;
  context.report(id, {
    at: 'referenceFile',
    code: 'no-effect',
    message: `There are two references: ${code('reference')} is also given.`,
    remedy: 'Keep one of the two.',
    because: `stages.${id}.reference`,
  });
};

/** Every figure has the network, and what it is compared with. */
const metricsHaveWhatTheyNeed: StageCheck<'evaluate'> = ({ id, config }, context) => {
  const { metrics, features, inceptionFile, autoencoder, reference, referenceFile } = config;
  for (const [i, metric] of metrics.entries()) {
    const needs = (key: string, what: string) => {
      context.report(id, {
        at: `metrics.${i}`,
        code: 'missing-key',
        message: `${code(metric)} needs ${what}: ${code(key)}.`,
        remedy: `Add ${code(key)}, or leave ${code(metric)} out.`,
      });
    };
    if (metric === latentMetric && autoencoder === undefined)
      needs('autoencoder', 'the stage whose latents are compared');
    if (networkFor(metric, config) === 'inception' && inceptionFile === undefined)
      needs(
        'inceptionFile',
        features && isOfFeatures(metric)
          ? `the network of ${code('features: inception')}`
          : "the ADM evaluator's network",
      );
    if (metric !== 'inceptionScore' && reference === undefined && referenceFile === undefined)
      needs('reference', 'something to compare with');
    if (metric !== latentMetric && reference !== undefined && latentsOf(context, reference))
      context.report(id, {
        at: 'reference',
        code: 'latents-not-images',
        message: `${code(metric)} compares images; ${code(reference)} has latents.`,
        remedy: 'Name the images that they were made of.',
        because: `stages.${id}.metrics.${i}`,
      });
  }
};

/** The stage of latents, made here or by another program. */
function latentsOf(context: CheckContext, id: string) {
  return context.config('encode', id) ?? context.config('latents', id);
}

/** Keys that serve a figure which is not asked for. */
const evaluationKeysMatter: StageCheck<'evaluate'> = ({ id, config }, context) => {
  const usesLatents = config.metrics.includes(latentMetric);
  const usesInception = config.metrics.some((metric) => networkFor(metric, config) === 'inception');
  const needed = {
    autoencoder: usesLatents,
    latentGrid: usesLatents,
    features: config.metrics.some(isOfFeatures),
    inceptionFile: usesInception,
    inceptionSha256: usesInception,
  };
  for (const [at, isNeeded] of Object.entries(needed)) {
    if (isNeeded || !context.isWritten(id, at)) continue;
    context.report(id, {
      at,
      code: 'no-effect',
      message: `No figure of ${code('metrics')} needs ${code(at)}.`,
      remedy: 'Remove it, or ask for a figure that does.',
      because: `stages.${id}.metrics`,
    });
  }
};

/** Latents of both sides are made by the same autoencoder, of images that it can encode. */
const evaluatedImagesAreEncoded: StageCheck<'evaluate'> = ({ id, config }, context) => {
  const { autoencoder, reference } = config;
  if (autoencoder === undefined || reference === undefined) return;
  const encode = latentsOf(context, reference);
  if (encode && encode.autoencoder !== autoencoder)
    context.report(id, {
      at: 'autoencoder',
      code: 'latents-mismatch',
      message: `The latents of ${code(reference)} are made by ${code(encode.autoencoder)}, not by ${code(autoencoder)}.`,
      remedy: `Use ${code(`autoencoder: ${encode.autoencoder}`)}, or name images as the reference.`,
      because: `stages.${reference}.autoencoder`,
    });
  const size = context.config('images', reference)?.size;
  const facts = autoencoderFacts(context, autoencoder);
  if (size === undefined || !facts || size % facts.downsample === 0) return;
  context.report(id, {
    at: 'reference',
    code: 'size-not-divisible',
    message: `Images of ${counted(size, 'pixel')} cannot be divided by ${code(`downsample: ${facts.downsample}`)} of ${code(autoencoder)}.`,
    remedy: `For ${code('size')}: ${nearestMultiples(size, facts.downsample)}`,
    because: `stages.${reference}.size`,
  });
};

/** There is a number of a latent for every cell. */
const gridFitsLatents: StageCheck<'evaluate'> = ({ id, config }, context) => {
  const { autoencoder, latentGrid } = config;
  const size = config.reference && imageSize(context, config.reference);
  const facts = autoencoder === undefined ? undefined : autoencoderFacts(context, autoencoder);
  if (!size || !facts || latentGrid <= size / facts.downsample) return;
  context.report(id, {
    at: context.isWritten(id, 'latentGrid') ? 'latentGrid' : 'autoencoder',
    code: 'grid-too-fine',
    message: `Latents of ${counted(size / facts.downsample, 'number')} a side cannot be divided into ${latentGrid} cells a side.`,
    remedy: `Use at most ${code(`latentGrid: ${Math.floor(size / facts.downsample)}`)}.`,
  });
};

/** Size of the images of a stage, or of those that its latents are made of. */
function imageSize(context: CheckContext, id: string): number | undefined {
  const images = context.config('encode', id)?.images ?? id;
  return context.config('images', images)?.size;
}

/** Rules of `evaluate` between keys and stages. */
export const evaluateChecks: readonly StageCheck<'evaluate'>[] = [
  referenceIsWrittenOnce,
  metricsHaveWhatTheyNeed,
  evaluationKeysMatter,
  evaluatedImagesAreEncoded,
  gridFitsLatents,
];
