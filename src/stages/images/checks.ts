import { code } from '../../runner/diagnostics.js';
import type { StageCheck } from '../shared/check.js';

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
