import { realpath } from 'node:fs/promises';
import { closest, distance } from 'fastest-levenshtein';
import { UserError } from '../../base/errors.js';
import { expandLocation, type Places } from '../../base/patterns.js';
import { checkOneFolder, compareNames, findInFolders, findUnlabelled, listSome } from './walk.js';
import type { Findings, LabelledImages, LeftOut } from './walk.js';
import { findInContainers, findKept, type Kept } from './contained.js';
import { canonicalName, nameClasses, sortedClasses } from './class-names.js';
import type { LabelsFile } from './label-records.js';
import { labelImages } from './labels-file.js';

export type { LabelledImages } from './walk.js';

interface ScanOptions {
  /** Place of the images, as of `locationOf`, or what that stands for. */
  readonly location: string | Places;
  readonly labels: LabelsSource;
  /** Absolute path of a file that names the classes. */
  readonly classNames?: string | undefined;
  /** Classes to keep, in their order; all, sorted by name, when absent. */
  readonly classes?: readonly string[];
  /** Folder of runs: what lies in it is no image of the set, where it is below the place. */
  readonly runsRoot?: string | undefined;
}

/** Source of the classes. */
type LabelsSource = 'folders' | 'none' | LabelsFile;

/**
 * Finds images and their classes, without opening any. The order is that of storage, by path in folders: the same
 * everywhere.
 *
 * @throws UserError saying what is wrong with the place, the labels file or the classes.
 */
export async function scanImages({
  location,
  labels,
  classNames,
  classes,
  runsRoot,
}: ScanOptions): Promise<LabelledImages> {
  const places = typeof location === 'string' ? expandLocation(location) : location;
  if (places.missing.length > 0) throw missingPlaces(location as string, places.missing);
  const leftOut: LeftOut = new Set(
    runsRoot === undefined ? [] : [await realpath(runsRoot).catch(() => runsRoot)],
  );
  const kept = await findKept(places, leftOut);
  const own = labels === 'folders' ? labels : 'none';
  const there =
    kept !== undefined
      ? await findInContainers(places.base, kept, own)
      : labels === 'folders'
        ? await findInFolders(places, leftOut)
        : await findUnlabelled(places, leftOut);
  const findings =
    typeof labels === 'string'
      ? there
      : await labelImages(places.base, there, labels, innerNames(there, kept));
  if (kept === undefined && labels === 'folders' && classes === undefined)
    checkOneFolder(places.base, findings);
  const { container, files } = kept ?? {};
  return {
    ...chooseClasses(places.base, await named(findings, classNames), classes),
    base: places.base,
    ...(container && files && { contained: { container: container.name, files } }),
  };
}

/** Names of images in the files that hold them. */
function innerNames({ images }: Findings, kept: Kept | undefined): readonly string[] | undefined {
  return kept && images.map(({ path, at }) => path.slice(kept.files[at![0]!]!.length + 1));
}

/** Brings names of classes to one spelling and into the order of their labels, and gives those that a file names. */
async function named(findings: Findings, file: string | undefined): Promise<Findings> {
  const canonical = [...new Set(findings.classes.map(canonicalName))];
  const classes = findings.isOrdered === true ? canonical : sortedClasses(canonical);
  const names = file === undefined ? classes : await nameClasses(file, classes);
  const nameOf = new Map(classes.map((name, i) => [name, names[i]!]));
  return {
    ...findings,
    images: findings.images.map((image) => ({
      ...image,
      className: nameOf.get(canonicalName(image.className))!,
    })),
    classes: names,
  };
}

function missingPlaces(location: string, missing: readonly string[]): UserError {
  const isOne = missing.length === 1 && missing[0] === location;
  return new UserError({
    code: 'images-folder-missing',
    message: isOne
      ? `${location}: there is no such folder or file of images.`
      : `${location}: ${missing.length} of its files are not there:${listSome(missing)}`,
    remedy: 'Correct the path; in a pipeline file it is relative to that file.',
  });
}

/**
 * Keeps the images of the wanted classes and numbers the classes in their order; without wanted ones, all.
 *
 * @param root the images' folder, for messages.
 * @throws UserError `class-unknown` or `class-without-images`.
 */
function chooseClasses(
  root: string,
  findings: Findings,
  wanted?: readonly string[],
): Omit<LabelledImages, 'base'> {
  const classes = wanted?.map(canonicalName) ?? findings.classes;
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
    ...(findings.warnings?.length && { warnings: findings.warnings }),
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
