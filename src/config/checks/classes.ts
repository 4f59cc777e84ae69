import { code, counted, suggestion } from '../diagnostics/words.js';
import { phasesOf } from '../sampling.js';
import type { CheckContext, StageCheck } from './context.js';

/** Classes named for mirroring are classes of the images. */
export const flippedClassesExist: StageCheck<'autoencoder' | 'encode'> = ({ id, config }, context) => {
  if (typeof config.flips === 'object')
    checkNames(context, id, 'flips.classes', config.flips.classes, config.images);
};

/** Classes to sample are classes that the model was trained on. */
export const sampledClassesExist: StageCheck<'sample'> = ({ id, config }, context) => {
  if (typeof config.classes !== 'object') return;
  const train = context.config('train', phasesOf(config)[0]!.model);
  const images = train && context.config('encode', train.latents)?.images;
  if (images === undefined) return;
  const names = config.classes.map((name) => (typeof name === 'string' ? name : undefined));
  checkNames(context, id, 'classes', names, images);
  const known = context.config('images', images)?.classes;
  if (!known) return;
  for (const [i, label] of config.classes.entries()) {
    if (typeof label === 'string' || label < known.length) continue;
    context.report(id, {
      at: `classes.${i}`,
      code: 'unknown-class',
      message: `There is no class ${label}: ${code(images)} has ${counted(known.length, 'class', 'classes')}, counted from 0.`,
    });
  }
};

function checkNames(
  context: CheckContext,
  stage: string,
  at: string,
  names: readonly (string | undefined)[],
  images: string,
): void {
  const known = context.config('images', images)?.classes;
  if (!known) return;
  for (const [i, name] of names.entries()) {
    if (name === undefined || known.includes(name)) continue;
    context.report(stage, {
      at: `${at}.${i}`,
      code: 'unknown-class',
      message: `${code(name)} is not one of the classes of ${code(images)}.`,
      remedy: suggestion(name, known, 'Its classes'),
    });
  }
}
