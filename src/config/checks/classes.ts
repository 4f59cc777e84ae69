import { counted } from '../../words.js';
import { code, suggestion } from '../diagnostics/words.js';
import { phasesOf } from '../sampling.js';
import type { CheckContext, StageCheck } from './context.js';
import { trainedOn } from './latents.js';

/** Classes named for mirroring are classes of the images. */
export const flippedClassesExist: StageCheck<'autoencoder' | 'encode' | 'train'> = (
  { id, config },
  context,
) => {
  if ('flips' in config && typeof config.flips === 'object' && config.images !== undefined)
    checkNames(context, id, 'flips.classes', config.flips.classes, config.images);
};

/** Classes to sample are classes that the model was trained on. */
export const sampledClassesExist: StageCheck<'sample'> = ({ id, config }, context) => {
  if (typeof config.classes !== 'object') return;
  const { model } = phasesOf(config)[0]!;
  const train = context.config('train', model);
  const images = train && trainedOn(context, train)?.images;
  const pretrained = context.config('pretrained', model)?.classes;
  const known = images === undefined ? pretrained : context.config('images', images)?.classes;
  if (!Array.isArray(known)) return;
  const source = images ?? model;
  const names = config.classes.map((name) => (typeof name === 'string' ? name : undefined));
  reportUnknown(context, id, 'classes', names, source, known);
  for (const [i, label] of config.classes.entries()) {
    if (typeof label === 'string' || label < known.length) continue;
    context.report(id, {
      at: `classes.${i}`,
      code: 'unknown-class',
      message: `There is no class ${label}: ${code(source)} has ${counted(known.length, 'class', 'classes')}, counted from 0.`,
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
  if (known) reportUnknown(context, stage, at, names, images, known);
}

function reportUnknown(
  context: CheckContext,
  stage: string,
  at: string,
  names: readonly (string | undefined)[],
  source: string,
  known: readonly string[],
): void {
  for (const [i, name] of names.entries()) {
    if (name === undefined || known.includes(name)) continue;
    context.report(stage, {
      at: `${at}.${i}`,
      code: 'unknown-class',
      message: `${code(name)} is not one of the classes of ${code(source)}.`,
      remedy: suggestion(name, known, 'Its classes'),
    });
  }
}
