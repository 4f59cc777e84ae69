import { stat } from 'node:fs/promises';
import { join, posix, relative, sep } from 'node:path';
import { UserError } from '../../base/errors.js';
import type { Places } from '../../base/patterns.js';
import { isImageName, passOver } from './formats.js';
import {
  type Findings,
  type FoundImage,
  listFolder,
  listSome,
  noImages,
  onlyClass,
  walkFiles,
} from './walk.js';

/** Finds images whose class is the first folder below the place. */
export async function findInFolders({ base, paths }: Places): Promise<Findings> {
  const folders = await Promise.all(paths.map(async (path) => (await stat(path)).isDirectory()));
  const findings = {
    images: [] as FoundImage[],
    classes: new Set<string>(),
    passedOver: new Map<string, number>(),
  };
  for (const [i, path] of paths.entries()) {
    const name = relative(base, path).replaceAll(sep, '/');
    if (folders[i] === true) await findInFolder(path, name && `${name}/`, findings);
    else if (isImageName(name) && name.includes('/')) addImage(name, name.split('/')[0]!, findings);
    else passOver(findings.passedOver, name);
  }
  if (findings.images.length === 0) throw noImages(base);
  return { ...findings, classes: [...findings.classes] };
}

/** Finds every image at or below the place: they have no classes. */
export async function findUnlabelled({ base, paths }: Places): Promise<Findings> {
  const images: FoundImage[] = [];
  const passedOver = new Map<string, number>();
  const add = (path: string): void => {
    if (isImageName(path)) images.push({ path, className: onlyClass });
    else passOver(passedOver, path);
  };
  for (const path of paths) {
    const name = relative(base, path).replaceAll(sep, '/');
    if (!(await stat(path)).isDirectory()) add(name);
    else for await (const below of walkFiles(path, '.', new Set())) add(posix.join(name, below));
  }
  if (images.length === 0) throw noImages(base);
  return { images, classes: [onlyClass], passedOver };
}

/**
 * One folder that holds folders of images is rather the one above the classes.
 *
 * @throws UserError `one-class-only`
 */
export function checkOneFolder(root: string, { images, classes }: Findings): void {
  if (classes.length !== 1) return;
  const below = [...new Set(images.map(({ path }) => path.split('/').slice(1, -1).join('/')))];
  if (below.length < 2) return;
  throw new UserError({
    code: 'one-class-only',
    message: `${root}: expected at least two folders of images, found only "${classes[0]!}", in which ${below.length} folders hold images:${listSome(
      below.map((folder) => folder || '.'),
      5,
    )}`,
    remedy: `If these are the classes, name the folder above them in \`path\`: ${join(root, classes[0]!)}. If the images have no classes, set \`labels: none\`.`,
  });
}

interface FindingsSoFar {
  readonly images: FoundImage[];
  readonly classes: Set<string>;
  readonly passedOver: Map<string, number>;
}

function addImage(path: string, className: string, { images, classes }: FindingsSoFar): void {
  images.push({ path, className });
  classes.add(className);
}

async function findInFolder(root: string, prefix: string, findings: FindingsSoFar): Promise<void> {
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
      remedy:
        'Put the images of each class into a folder of their own, name a labels file in `labels`, or set `labels: none` to train without classes.',
    });
  }
  for (const { name, isFolder } of entries) if (!isFolder) passOver(findings.passedOver, name);
  for (const className of classes) {
    findings.classes.add(className);
    for await (const path of walkFiles(root, className)) {
      if (isImageName(path)) addImage(prefix + path, className, findings);
      else passOver(findings.passedOver, path);
    }
  }
}

/**
 * True when a search finds the file, by its path below the images' folder.
 *
 * @param classes those that are wanted of class folders; absent where there are none
 */
export function isFoundImage(path: string, classes?: ReadonlySet<string>): boolean {
  const parts = path.split('/');
  return (classes === undefined || (parts.length > 1 && classes.has(parts[0]!))) && isImageName(path);
}
