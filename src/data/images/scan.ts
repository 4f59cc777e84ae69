import { closest, distance } from 'fastest-levenshtein';
import { UserError } from '../../base/errors.js';
import { expandLocation } from '../../base/patterns.js';
import { checkOneFolder, findInFolders, findUnlabelled } from './class-folders.js';
import { findInContainers, findKept } from './contained.js';
import { findInLabelsFile, type LabelsFile } from './labels-file.js';
import { compareNames, type Findings, type LabelledImages, listSome } from './walk.js';

export type { LabelledImages } from './walk.js';

interface ScanOptions {
  /** Place of the images, as of `locationOf`. */
  readonly location: string;
  readonly labels: LabelsSource;
  /** Classes to keep, in their order; all, sorted by name, when absent. */
  readonly classes?: readonly string[];
}

/** Source of the classes. */
type LabelsSource = 'folders' | 'none' | LabelsFile;

/**
 * Finds images and their classes, without opening any. The order is that of storage, by path in folders: the same
 * everywhere.
 *
 * @throws UserError saying what is wrong with the place, the labels file or the classes.
 */
export async function scanImages({ location, labels, classes }: ScanOptions): Promise<LabelledImages> {
  const places = expandLocation(location);
  if (places.missing.length > 0) throw missingPlaces(location, places.missing);
  const kept = await findKept(places);
  if (kept !== undefined && typeof labels === 'object')
    throw labelsBesideContainer(location, labels, kept.container.name);
  const findings =
    kept !== undefined
      ? await findInContainers(places.base, kept, labels as 'folders' | 'none')
      : labels === 'none'
        ? await findUnlabelled(places)
        : labels === 'folders'
          ? await findInFolders(places)
          : await findInLabelsFile(places.base, labels);
  if (kept === undefined && labels === 'folders' && classes === undefined)
    checkOneFolder(places.base, findings);
  const { container, files } = kept ?? {};
  return {
    ...chooseClasses(places.base, findings, classes),
    base: places.base,
    ...(container && files && { contained: { container: container.name, files } }),
  };
}

function labelsBesideContainer(location: string, { file }: LabelsFile, container: string): UserError {
  return new UserError({
    code: 'labels-of-container',
    usage: true,
    message: `${location}: images of a ${container} file have its own labels, and ${file} would not be used.`,
    remedy: 'Remove `labels`, or unpack the images into a folder that the labels file names them in.',
  });
}

function missingPlaces(location: string, missing: readonly string[]): UserError {
  const isOne = missing.length === 1 && missing[0] === location;
  return new UserError({
    code: 'images-folder-missing',
    message: isOne
      ? `${location}: there is no such folder or file of images.`
      : `${location}: ${missing.length} of its files are not there:${listSome(missing)}`,
    remedy: 'Correct `path`; it is relative to the pipeline file.',
  });
}

/**
 * Keeps the images of the wanted classes and numbers the classes in their order; without wanted ones, all by name.
 *
 * @param root the images' folder, for messages.
 * @throws UserError `class-unknown` or `class-without-images`.
 */
function chooseClasses(
  root: string,
  findings: Findings,
  wanted?: readonly string[],
): Omit<LabelledImages, 'base'> {
  const classes =
    wanted ?? (findings.isOrdered === true ? findings.classes : [...findings.classes].sort(compareNames));
  checkKnown(root, classes, findings.classes);
  const labelOf = new Map(classes.map((name, label) => [name, label]));
  const kept = findings.images.filter(({ className }) => labelOf.has(className));
  // What is stored in a file is read in the order in which it lies there.
  if (kept[0]?.at === undefined) kept.sort((a, b) => compareNames(a.path, b.path));
  const labels = Int32Array.from(kept, ({ className }) => labelOf.get(className)!);
  checkFilled(root, classes, labels);
  return {
    classes,
    paths: kept.map(({ path }) => path),
    labels,
    passedOver: findings.passedOver,
    ...(kept[0]?.at && { places: kept.map(({ at }) => at!) }),
  };
}

/** @throws UserError `class-without-images` */
export function checkFilled(root: string, classes: readonly string[], labels: Int32Array): void {
  const filled = new Set(labels);
  const empty = classes.filter((_, label) => !filled.has(label));
  if (empty.length === 0) return;
  throw new UserError({
    code: 'class-without-images',
    message: `${root}: ${empty.length} of ${classes.length} classes have no usable image:${listSome(empty)}`,
    remedy: 'Add images to them, remove their folders, or list the classes to keep in `classes`.',
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
