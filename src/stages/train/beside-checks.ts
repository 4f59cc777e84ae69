import { counted } from '../../base/format.js';
import { code } from '../../runner/diagnostics.js';
import type { StageCheck } from '../shared/check.js';
import { hasOneClass, trainedOn, trainedShape } from '../shared/latent-checks.js';
import { endingParts, featureAlignmentOf, routedBlocks, selfAlignmentOf } from './beside-cost.js';

/** Parts of the loss take tokens after blocks that there are. */
const besideLossFits: StageCheck<'train'> = ({ id, config }, context) => {
  const { selfAlignment, featureAlignment, model } = config;
  const parts = {
    selfAlignment: selfAlignment && selfAlignmentOf(selfAlignment, model.depth),
    featureAlignment: featureAlignment && featureAlignmentOf(featureAlignment, model),
  };
  for (const [name, part] of Object.entries(parts)) {
    if (part === undefined) continue;
    const counts = {
      blocks: part.blocks,
      ...('teacherBlocks' in part && { teacherBlocks: part.teacherBlocks }),
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
  }
};

/** Parts that end at a step end before the training does. */
const endsBeforeTheEnd: StageCheck<'train'> = ({ id, config }, context) => {
  const { steps } = config;
  if (steps === undefined) return;
  for (const name of endingParts) {
    const untilStep = config[name]?.untilStep;
    if (untilStep === undefined || untilStep < steps) continue;
    context.report(id, {
      at: `${name}.untilStep`,
      code: 'no-effect',
      message: `The training has ${counted(steps, 'step')}, and none from step ${untilStep} on.`,
      remedy: steps === 1 ? 'Remove it.' : `Remove it, or use at most ${steps - 1}.`,
      because: `stages.${id}.steps`,
    });
  }
};

/** Tokens bypass blocks that there are, with one after them, and are some of all. */
const routeFits: StageCheck<'train'> = ({ id, config }, context) => {
  const { tokenRouting, model } = config;
  if (tokenRouting === undefined) return;
  const [first, last] = routedBlocks(tokenRouting, model.depth);
  const most = model.depth - 2;
  const report = (message: string, remedy: string) => {
    context.report(id, {
      at: tokenRouting.blocks === undefined ? 'tokenRouting' : 'tokenRouting.blocks',
      code: 'wrong-block-range',
      message: `The model has ${counted(model.depth, 'block')}: ${message}`,
      remedy,
      because: `stages.${id}.model.${model.name === undefined ? 'depth' : 'name'}`,
    });
  };
  if (most < 0) report('none comes before the last.', 'Remove it, or use a deeper model.');
  else if (first > last && tokenRouting.blocks === undefined)
    report(
      'none lies between the first and the last.',
      `Use ${code('blocks: [0, 0]')}, or a deeper model; or remove it.`,
    );
  else if (first > last)
    report(
      `there is none from ${first} to ${last}.`,
      `The first block that tokens bypass comes first: for example ${code(`[${Math.min(last, most)}, ${Math.min(first, most)}]`)}.`,
    );
  else if (last > most)
    report(
      `tokens that bypass block ${last} would join the others in none after it.`,
      `Use at most ${code(`[${Math.min(first, most)}, ${most}]`)}.`,
    );
  const shape = trainedShape(context, config);
  const tokens = shape && (shape.size / model.patchSize) ** 2;
  const { share } = tokenRouting;
  if (tokens === undefined || !Number.isInteger(tokens) || share === 0 || share * tokens >= 1) return;
  context.report(id, {
    at: 'tokenRouting.share',
    code: 'no-effect',
    message: `${code(`share: ${share}`)} of ${counted(tokens, 'token')} is less than one token.`,
    remedy:
      tokens === 1
        ? 'Remove it.'
        : `Use at least ${code(`share: ${Math.ceil(1000 / tokens) / 1000}`)}, or 0.`,
    because: `stages.${shape!.images}.size`,
  });
};

/** Tokens that bypass the first block have none of its values, which later blocks mix theirs with. */
const routeLeavesFirstValues: StageCheck<'train'> = ({ id, config: { tokenRouting, model } }, context) => {
  if (tokenRouting === undefined || model.valueResidual !== true) return;
  const [first, last] = routedBlocks(tokenRouting, model.depth);
  if (first > 0 || last < first || tokenRouting.share === 0) return;
  context.report(id, {
    at: 'tokenRouting.blocks',
    code: 'unsupported-combination',
    message: `Blocks mix their values with those of the first, which tokens that bypass it do not have.`,
    remedy:
      model.depth > 2
        ? `Use ${code(`blocks: [1, ${Math.max(1, last)}]`)}, or remove ${code('valueResidual')}.`
        : `Remove either, or use a deeper model.`,
    because: `stages.${id}.model.valueResidual`,
  });
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

/** Guidance is learned of a model that knows classes and none, in some of the steps. */
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
};

/** Rules of `train` about the parts of its loss beside the distance from the data. */
export const besideChecks: readonly StageCheck<'train'>[] = [
  besideLossFits,
  endsBeforeTheEnd,
  routeFits,
  routeLeavesFirstValues,
  teacherIsLater,
  featuresAreOfImages,
  guidanceIsLearned,
];
