import { unsupportedCombination } from '../../transport/unsupported-combination.js';
import { code } from '../diagnostics/words.js';
import type { StageCheck } from './context.js';

/** A velocity's error is not weighed by what makes a score's or noise's error comparable to it. */
export const lossWeightApplies: StageCheck<'train'> = ({ id, config }, context) => {
  const { prediction, lossWeight } = config;
  if (prediction !== 'velocity' || typeof lossWeight === 'object' || lossWeight === 'none') return;
  context.report(id, {
    at: 'lossWeight',
    code: 'impossible-transport',
    message: `${code(`lossWeight: ${lossWeight}`)} weighs the error of a score or noise; ${code('prediction: velocity')} is trained without.`,
    remedy: `Use ${code('lossWeight: none')} or ${code({ kind: 'minSnr' })}, or ${code('prediction: noise')}.`,
  });
};

/** Training divides by nothing that is zero. */
export const trainingDividesByNonZero: StageCheck<'train'> = ({ id, config }, context) => {
  const { interpolant, prediction, lossWeight, trainEpsilon } = config;
  const reason = unsupportedCombination({
    interpolant,
    prediction,
    ...(typeof lossWeight === 'string' && { lossWeight }),
    ...(trainEpsilon !== undefined && { trainEpsilon }),
  });
  if (reason === undefined) return;
  context.report(id, {
    at: 'trainEpsilon',
    code: 'impossible-transport',
    message: `This cannot be trained: ${reason}.`,
    remedy: `Remove ${code('trainEpsilon')}, whose default keeps away from it, or use one such as 1e-3.`,
  });
};
