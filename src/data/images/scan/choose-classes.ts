import { closest, distance } from 'fastest-levenshtein';
import { UserError } from '../../../errors.js';
import type { Findings, LabelledImages } from './labelled-images.js';
import { listSome } from './list-some.js';
import { compareNames } from './walk.js';

/**
 * Keeps the images of the wanted classes and numbers the classes in their order; without wanted ones, all by name.
 *
 * @param root the images' folder, for messages.
 * @throws UserError `class-unknown`, `class-without-images` or `one-class-only`.
 */
export function chooseClasses(root: string, findings: Findings, wanted?: readonly string[]): LabelledImages {
  const classes = wanted ?? [...findings.classes].sort(compareNames);
  checkKnown(root, classes, findings.classes);
  const labelOf = new Map(classes.map((name, label) => [name, label]));
  const kept = findings.images
    .filter(({ className }) => labelOf.has(className))
    .sort((a, b) => compareNames(a.path, b.path));
  const labels = Int32Array.from(kept, ({ className }) => labelOf.get(className)!);
  checkFilled(root, classes, labels);
  return { classes, paths: kept.map(({ path }) => path), labels, ignored: findings.ignored };
}

/** @throws UserError `class-without-images` or `one-class-only` when the images do not make a labelled set. */
export function checkFilled(root: string, classes: readonly string[], labels: Int32Array): void {
  const filled = new Set(labels);
  const empty = classes.filter((_, label) => !filled.has(label));
  if (empty.length > 0) {
    throw new UserError({
      code: 'class-without-images',
      message: `${root}: ${empty.length} of ${classes.length} classes have no usable image:${listSome(empty)}`,
      remedy: 'Add images to them, remove their folders, or list the classes to keep in `classes`.',
    });
  }
  if (classes.length > 1) return;
  throw new UserError({
    code: 'one-class-only',
    message: `${root}: expected at least two classes, found only "${classes[0]}".`,
    remedy:
      'Training needs images of two classes or more: name the folder above the class folders in `path`, or add a class.',
  });
}

function checkKnown(root: string, wanted: readonly string[], known: readonly string[]): void {
  const unknown = wanted.filter((name) => !known.includes(name));
  if (unknown.length === 0) return;
  const named = unknown.map((name) => `${name}${suggestion(name, known)}`);
  throw new UserError({
    code: 'class-unknown',
    message: `${root}: ${unknown.length} of the classes listed in \`classes\` do not exist:${listSome(named)}`,
    remedy: `Correct \`classes\`. The classes there: ${known.slice(0, 20).join(', ')}${known.length > 20 ? ', …' : ''}.`,
  });
}

function suggestion(name: string, known: readonly string[]): string {
  const nearest = known.length > 0 ? closest(name, known) : '';
  const isNear = nearest !== '' && distance(name, nearest) <= Math.max(2, name.length / 3);
  return isNear ? ` (did you mean "${nearest}"?)` : '';
}
