import { stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { closest, distance } from 'fastest-levenshtein';
import { UserError } from '../../base/errors.js';
import { asUserError } from '../../base/files.js';
import { findInLabelsFile, type LabelsFile } from './labels-file.js';
import {
  compareNames,
  type Findings,
  type FoundImage,
  type LabelledImages,
  listFolder,
  listSome,
  walkFiles,
} from './walk.js';

export type { LabelledImages } from './walk.js';
export type { LabelsFile } from './labels-file.js';
export { listSome } from './walk.js';

interface ScanOptions {
  /** Absolute path of the images' folder. */
  readonly root: string;
  readonly labels: 'folders' | LabelsFile;
  /** Classes to keep, in their order; all, sorted by name, when absent. */
  readonly classes?: readonly string[];
}

/**
 * Finds the images of a folder and their classes, without opening any. The order is by path, the same everywhere.
 *
 * @throws UserError saying what is wrong with the folder, the labels file or the classes.
 */
export async function scanImages({ root, labels, classes }: ScanOptions): Promise<LabelledImages> {
  await checkFolder(root);
  const findings = labels === 'folders' ? await findInFolders(root) : await findInLabelsFile(root, labels);
  return chooseClasses(root, findings, classes);
}

async function checkFolder(root: string): Promise<void> {
  let isFolder: boolean;
  try {
    isFolder = (await stat(root)).isDirectory();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw asUserError(error, root);
    throw new UserError({
      code: 'images-folder-missing',
      message: `${root}: there is no such folder of images.`,
      remedy: 'Correct `path`; it is relative to the pipeline file.',
      cause: error,
    });
  }
  if (isFolder) return;
  throw new UserError({
    code: 'images-folder-is-a-file',
    message: `${root}: expected a folder of images, found a file.`,
    remedy: 'Name the folder that holds the images; an archive must be unpacked first.',
  });
}

const extensions = new Set(['.png', '.jpg', '.jpeg', '.webp', '.gif']);

/** Finds images whose class is the first folder below `root`. */
async function findInFolders(root: string): Promise<Findings> {
  const entries = await listFolder(root);
  if (entries.length === 0) {
    throw new UserError({
      code: 'images-folder-empty',
      message: `${root}: expected folders of images, but the folder is empty.`,
      remedy: 'Put the images there, in one folder a class, or correct `path`.',
    });
  }
  const classes = entries.filter(({ isFolder }) => isFolder).map(({ name }) => name);
  const loose = entries.filter(({ name, isFolder }) => !isFolder && isImageName(name));
  if (classes.length === 0 && loose.length > 0) {
    throw new UserError({
      code: 'images-not-in-class-folders',
      message: `${root}: expected one folder a class, found ${loose.length} images and no folder.`,
      remedy: 'Put the images of each class into a folder of their own, or name a labels file in `labels`.',
    });
  }
  const images: FoundImage[] = [];
  let ignored = entries.length - classes.length;
  for (const className of classes) {
    for await (const path of walkFiles(root, className)) {
      if (isImageName(path)) images.push({ path, className });
      else ignored++;
    }
  }
  if (images.length === 0) throw noImages(root);
  return { images, classes, ignored };
}

/** True when `findInFolders` finds the file, by its path below the images' folder, in one of some classes. */
export function isClassImage(path: string, classes: ReadonlySet<string>): boolean {
  const parts = path.split('/');
  return (
    parts.length > 1 &&
    classes.has(parts[0]!) &&
    isImageName(path) &&
    !parts.some((part) => part.startsWith('.'))
  );
}

function isImageName(name: string): boolean {
  return extensions.has(extname(name).toLowerCase());
}

function noImages(root: string): UserError {
  return new UserError({
    code: 'images-none-found',
    message: `${root}: expected PNG, JPEG, WebP or GIF images in folders, found none.`,
    remedy: 'Correct `path`: it must name the folder that holds the class folders.',
  });
}

/**
 * Keeps the images of the wanted classes and numbers the classes in their order; without wanted ones, all by name.
 *
 * @param root the images' folder, for messages.
 * @throws UserError `class-unknown`, `class-without-images` or `one-class-only`.
 */
function chooseClasses(root: string, findings: Findings, wanted?: readonly string[]): LabelledImages {
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
