import { counted } from '../../base/format.js';
import type { BlockMediators } from '../../generated/index.js';
import { mediatorsPerBlock, mostTokensWithExtras } from '../../models/sit/config.js';
import { code } from '../../runner/diagnostics.js';
import { dividesBetweenWorkers, nearestMultiples } from '../autoencoder/checks.js';
import type { StageCheck } from '../shared/check.js';
import { trainedShape } from '../shared/latent-checks.js';

/** A token is shared out evenly between the heads, and its position embedding has four equal parts. */
const hiddenSizeDivides: StageCheck<'train'> = ({ id, config: { model } }, context) => {
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

/** Rotary positions take pairs of a head's channels for rows, and as many for columns. */
const headsRotate: StageCheck<'train'> = ({ id, config: { model } }, context) => {
  const { rope, hiddenSize, heads } = model;
  const size = hiddenSize / heads;
  if (!rope || !Number.isInteger(size) || size % 4 === 0) return;
  context.report(id, {
    at: 'model.rope',
    code: 'size-not-divisible',
    message: `${code('rope')} rotates pairs of channels by rows and by columns: a head's ${counted(size, 'channel')} cannot be divided by 4.`,
    remedy: nearestMultiples(hiddenSize, 4 * heads),
    because: `stages.${id}.model.${model.name === undefined ? 'heads' : 'name'}`,
  });
};

const latentsDivideIntoPatches: StageCheck<'train'> = ({ id, config }, context) => {
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

const batchDividesBetweenWorkers: StageCheck<'train'> = (stage, context) => {
  const { id, config, own } = stage;
  if (!dividesBetweenWorkers(stage, 'globalBatch', config.globalBatch, context)) return;
  const share = config.globalBatch / (own?.runtime?.workers ?? context.runtime?.workers ?? 1);
  if (share % config.accumulate === 0) return;
  context.report(id, {
    at: 'accumulate',
    code: 'size-not-divisible',
    message: `A share of ${counted(share, 'latent')} a worker cannot be divided into ${code(`accumulate: ${config.accumulate}`)} equal parts.`,
    remedy: nearestMultiples(share, config.accumulate),
    because: `stages.${id}.globalBatch`,
  });
};

/** A list of counts has one for each block; ranges are within the blocks and apart from each other. */
const mediatorsMatchBlocks: StageCheck<'train'> = (stage, context) => {
  const { mediators, depth } = stage.config.model;
  if (typeof mediators === 'number') return;
  if (isRanges(mediators)) {
    for (const [i] of mediators.entries()) checkRange(stage.id, mediators, i, depth, context);
  } else if (mediators.length !== depth) {
    context.report(stage.id, {
      at: 'model.mediators',
      code: 'wrong-length',
      message: `${code('mediators')} must be one number, or one for each of the ${counted(depth, 'block')}; ${counted(mediators.length, 'item')} found.`,
    });
  }
};

/** No more mediators in a row than tokens. */
const mediatorsFitGrid: StageCheck<'train'> = ({ id, config }, context) => {
  const { model } = config;
  const shape = trainedShape(context, config);
  if (!shape || shape.size % model.patchSize !== 0) return;
  const grid = shape.size / model.patchSize;
  for (const { at, count } of writtenCounts(model.mediators)) {
    if (count <= grid ** 2) continue;
    context.report(id, {
      at,
      code: 'too-many-mediators',
      message: `${count} mediators do not fit: latents of ${counted(shape.size, 'pixel')} in patches of ${model.patchSize} give a grid of ${grid} × ${grid} tokens.`,
      remedy: `Use at most ${grid ** 2}, or 0 for full attention.`,
    });
  }
};

/** Full attention with the extras of mediators holds all scores at once, and has to be somewhere. */
const extrasFit: StageCheck<'train'> = ({ id, config }, context) => {
  const { model } = config;
  if (model.mediatorExtras !== true) return;
  const report = (reason: string, message: string, remedy: string) => {
    context.report(id, { at: 'model.mediatorExtras', code: reason, message, remedy });
  };
  if (!mediatorsPerBlock(model).includes(0))
    report(
      'no-effect',
      `${code('mediatorExtras')} would change nothing: no block has full attention.`,
      'Leave it out, or set `mediators: 0`.',
    );
  const shape = trainedShape(context, config);
  const tokens = shape === undefined ? 0 : (shape.size / model.patchSize) ** 2;
  if (tokens <= mostTokensWithExtras) return;
  report(
    'too-many-tokens',
    `${code('mediatorExtras')} takes at most ${counted(mostTokensWithExtras, 'token')}; the model has ${counted(tokens, 'token')}.`,
    'Use smaller images or larger patches: its tables grow with the square of the tokens.',
  );
};

/** There is a block whose values are mixed with those of the first. */
const valuesAreMixed: StageCheck<'train'> = ({ id, config: { model } }, context) => {
  if (model.valueResidual !== true || model.depth > 1) return;
  context.report(id, {
    at: 'model.valueResidual',
    code: 'no-effect',
    message: `${code('valueResidual')} would change nothing: no block comes after the first.`,
    remedy: 'Leave it out, or use a deeper model.',
    because: `stages.${id}.model.depth`,
  });
};

type Mediators = number | number[] | BlockMediators[];

const isRanges = (mediators: number[] | BlockMediators[]): mediators is BlockMediators[] =>
  typeof mediators[0] === 'object';

function writtenCounts(mediators: Mediators): { at: string; count: number }[] {
  if (typeof mediators === 'number') return [{ at: 'model.mediators', count: mediators }];
  return mediators.map((item, i) =>
    typeof item === 'number'
      ? { at: `model.mediators.${i}`, count: item }
      : { at: `model.mediators.${i}.mediators`, count: item.mediators },
  );
}

function checkRange(
  stage: string,
  ranges: readonly BlockMediators[],
  index: number,
  depth: number,
  context: Parameters<StageCheck<'train'>>[1],
): void {
  const [first, last] = ranges[index]!.blocks;
  const report = (message: string, remedy?: string) => {
    context.report(stage, {
      at: `model.mediators.${index}.blocks`,
      code: 'wrong-block-range',
      message,
      remedy,
    });
  };
  if (first > last) report(`The range of blocks starts at ${first}, after its end at ${last}.`);
  else if (last >= depth) {
    report(
      `There is no block ${last}: the model has ${counted(depth, 'block')}.`,
      `They are counted from 0 to ${depth - 1}.`,
    );
  }
  const overlapped = ranges.slice(0, index).find(({ blocks }) => blocks[0] <= last && first <= blocks[1]);
  if (overlapped) {
    const shared = Math.max(first, overlapped.blocks[0]);
    report(`Block ${shared} is in two ranges.`, 'Ranges must not overlap.');
  }
}

/** Rules of `train` about the model. */
export const modelChecks: readonly StageCheck<'train'>[] = [
  hiddenSizeDivides,
  headsRotate,
  latentsDivideIntoPatches,
  mediatorsMatchBlocks,
  mediatorsFitGrid,
  extrasFit,
  valuesAreMixed,
  batchDividesBetweenWorkers,
];
