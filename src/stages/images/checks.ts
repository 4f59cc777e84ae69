import { UserError } from '../../base/errors.js';
import { hubFiles } from '../../formats/hub/repository.js';
import { code } from '../../runner/diagnostics.js';
import type { StageCheck } from '../shared/check.js';
import { hubImages } from './facts.js';

/** Classes are chosen from labels. */
export const classesAreLabelled: StageCheck<'images'> = ({ id, config }, context) => {
  if (config.labels !== 'none' || config.classes === undefined) return;
  context.report(id, {
    at: 'classes',
    code: 'no-effect',
    message: `With ${code('labels: none')} images have no classes to choose from.`,
    remedy: `Remove ${code('classes')}, or ${code('labels: none')}.`,
  });
};

/** Addresses name files of one data set on Hugging Face. */
export const addressesAreWhole: StageCheck<'images'> = ({ id, config }, context) => {
  try {
    for (const path of [config.path].flat()) if (path.includes('://')) hubFiles(path);
    hubImages(config);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    context.report(id, { at: 'path', code: error.code, message: error.message, remedy: error.remedy });
  }
};
