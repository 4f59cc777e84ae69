import { UserError } from '../../base/errors.js';
import { isHubPath } from '../../formats/hub/repository.js';
import { code } from '../../runner/diagnostics.js';
import { isAddress } from '../../runner/yaml/environment.js';
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
  const other = [config.path].flat().find((path) => isAddress(path) && !isHubPath(path));
  if (other !== undefined)
    context.report(id, {
      at: 'path',
      code: 'address-as-path',
      message: `${code(other)} is an address; only files of this machine are read here, and those of data sets on Hugging Face (${code('hf://datasets/OWNER/NAME/FILES')}).`,
      remedy: 'Download it, then write the path of the file or folder.',
    });
  try {
    hubImages(config);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    context.report(id, { at: 'path', code: error.code, message: error.message, remedy: error.remedy });
  }
};
