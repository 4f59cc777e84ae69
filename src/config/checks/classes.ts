import { code, suggestion } from '../diagnostics/words.js';
import type { CheckContext, StageCheck } from './context.js';

/** Classes named for mirroring are classes of the images. */
export const flippedClassesExist: StageCheck<'autoencoder' | 'encode'> = ({ id, config }, context) => {
  if (typeof config.flips === 'object')
    checkNames(context, id, 'flips.classes', config.flips.classes, config.images);
};

/** Classes to sample are classes that the model was trained on. */
export const sampledClassesExist: StageCheck<'sample'> = ({ id, config }, context) => {
  const train = context.config('train', config.model);
  const images = train && context.config('encode', train.latents)?.images;
  if (images !== undefined && typeof config.classes === 'object') {
    checkNames(context, id, 'classes', config.classes, images);
  }
};

function checkNames(
  context: CheckContext,
  stage: string,
  at: string,
  names: readonly string[],
  images: string,
): void {
  const known = context.config('images', images)?.classes;
  if (!known) return;
  for (const [i, name] of names.entries()) {
    if (known.includes(name)) continue;
    context.report(stage, {
      at: `${at}.${i}`,
      code: 'unknown-class',
      message: `${code(name)} is not one of the classes of ${code(images)}.`,
      remedy: suggestion(name, known, 'Its classes'),
    });
  }
}
