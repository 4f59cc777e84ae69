import { counted } from '../../base/format.js';
import { code } from '../../runner/diagnostics.js';
import type { StageCheck } from '../shared/check.js';
import { hasOneClass, trainedOn } from '../shared/latent-checks.js';
import { featureAlignmentOf, selfAlignmentOf } from './beside-cost.js';

/** Parts of the loss take tokens after blocks that there are, and act in some of the steps. */
const besideLossFits: StageCheck<'train'> = ({ id, config }, context) => {
  const { selfAlignment, featureAlignment, model, steps } = config;
  const parts = {
    selfAlignment: selfAlignment && {
      blocks: selfAlignmentOf(selfAlignment, model.depth),
      untilStep: selfAlignment.untilStep,
    },
    featureAlignment: featureAlignment && {
      blocks: featureAlignmentOf(featureAlignment, model),
      untilStep: featureAlignment.untilStep,
    },
  };
  for (const [name, part] of Object.entries(parts)) {
    if (part === undefined) continue;
    const { blocks, untilStep } = part;
    const counts = {
      blocks: blocks.blocks,
      ...('teacherBlocks' in blocks && { teacherBlocks: blocks.teacherBlocks }),
    };
    for (const [key, value] of Object.entries(counts))
      if (value > model.depth)
        context.report(id, {
          at: `${name}.${key}`,
          code: 'wrong-block-range',
          message: `The model has ${counted(model.depth, 'block')}: there are no tokens after ${value}.`,
          remedy: `Use at most ${model.depth}.`,
          because: `stages.${id}.model.${model.name === undefined ? 'depth' : 'name'}`,
        });
    if (untilStep !== undefined && steps !== undefined && untilStep >= steps)
      context.report(id, {
        at: `${name}.untilStep`,
        code: 'no-effect',
        message: `The training has ${counted(steps, 'step')}, and none from step ${untilStep} on.`,
        remedy: steps === 1 ? 'Remove it.' : `Remove it, or use at most ${steps - 1}.`,
        because: `stages.${id}.steps`,
      });
  }
};

/** The average that tokens are aligned with is of a later block, or the same. */
const teacherIsLater: StageCheck<'train'> = ({ id, config: { selfAlignment, model } }, context) => {
  if (selfAlignment === undefined) return;
  const { blocks, teacherBlocks } = selfAlignmentOf(selfAlignment, model.depth);
  if (teacherBlocks >= blocks) return;
  context.report(id, {
    at: 'selfAlignment.teacherBlocks',
    code: 'wrong-block-range',
    message: `Tokens are aligned with those of a later block, or the same: ${code(`teacherBlocks: ${teacherBlocks}`)} comes before ${code(`blocks: ${blocks}`)}.`,
    remedy: `Use at least ${code(`teacherBlocks: ${blocks}`)}.`,
  });
};

/** Features are those of the images that are trained on, cropped as they are. */
const featuresAreOfImages: StageCheck<'train'> = ({ id, config }, context) => {
  const { featureAlignment, latents, crop } = config;
  if (featureAlignment === undefined) return;
  const report = (at: string, reason: string, message: string, remedy: string, because?: string) => {
    context.report(id, {
      ...{ at: `featureAlignment.${at}`, code: reason, message, remedy },
      ...(because !== undefined && { because: `stages.${because}` }),
    });
  };
  const { images } = featureAlignment;
  const source = trainedOn(context, config);
  const drawn = latents !== undefined && context.config('encode', latents) === undefined;
  if (drawn && (context.config('latents', latents) ?? context.config('draw', latents)) !== undefined)
    report(
      'images',
      'unsupported-combination',
      `Features are computed of images, and ${code(latents)} has latents alone.`,
      `Train on the latents of an ${code('encode')} stage, or use ${code('selfAlignment')}, which needs no images.`,
      latents,
    );
  else if (source?.images !== undefined && source.images !== images)
    report(
      'images',
      'images-mismatch',
      `The training is on ${code(source.images)}; features of ${code(images)} are of other images.`,
      `Use ${code(`images: ${source.images}`)}.`,
    );
  if (crop === 'random')
    report(
      'images',
      'unsupported-combination',
      `Features are computed once for each image, and ${code('crop: random')} shows another part of it each time.`,
      `Use ${code('crop: centre')}, or ${code('selfAlignment')}.`,
      `${id}.crop`,
    );
  if (featureAlignment.projection !== 'mlp' && context.isWritten(id, 'featureAlignment.width'))
    report(
      'width',
      'no-effect',
      `${code('width')} has an effect only with ${code('projection: mlp')}.`,
      `Remove it, or use ${code('projection: mlp')}.`,
    );
};

/** Guidance is learned of a model that knows classes and none, in some of the steps, and is not applied twice. */
const guidanceIsLearned: StageCheck<'train'> = ({ id, config }, context) => {
  const { modelGuidance, model, steps } = config;
  if (modelGuidance === undefined) return;
  const [from, to] = modelGuidance.interval;
  const oneClass = hasOneClass(context, config);
  if (oneClass || model.labelDropout === 0)
    context.report(id, {
      at: 'modelGuidance',
      code: 'untrained-guidance',
      message: oneClass
        ? 'Guidance compares a class with no class, and the images to train on have no classes, or one alone.'
        : `Guidance needs a model that also knows images without a class; this one is trained with ${code('labelDropout: 0')}.`,
      remedy: oneClass ? 'Remove it.' : `Train with ${code('labelDropout: 0.1')}.`,
    });
  if (from >= to)
    context.report(id, {
      at: 'modelGuidance.interval',
      code: 'empty-interval',
      message: `The interval from ${from} to ${to} holds no time.`,
      remedy: `Times go from 0, the noise, to 1, the data: for example ${code('[0.25, 1]')}.`,
    });
  if (steps !== undefined && modelGuidance.fromStep >= steps)
    context.report(id, {
      at: 'modelGuidance.fromStep',
      code: 'no-effect',
      message: `The training has ${counted(steps, 'step')}, and none from step ${modelGuidance.fromStep} on.`,
      remedy: `Use less than ${steps}.`,
      because: `stages.${id}.steps`,
    });
  for (const key of ['samples', 'evaluate'] as const) {
    const scale = config[key]?.guidanceScale ?? 1;
    if (scale === 1) continue;
    context.report(id, {
      at: `${key}.guidanceScale`,
      code: 'guided-twice',
      message: `With ${code('modelGuidance')} the model itself draws guided samples; ${code('guidanceScale')} ${scale} would guide them again.`,
      remedy: `Use ${code('guidanceScale: 1')}.`,
      because: `stages.${id}.modelGuidance`,
    });
  }
};

/** Rules of `train` about the parts of its loss beside the distance from the data. */
export const besideChecks: readonly StageCheck<'train'>[] = [
  besideLossFits,
  teacherIsLater,
  featuresAreOfImages,
  guidanceIsLearned,
];
