import { extname } from 'node:path';
import { UserError } from '../../../errors.js';
import type { Findings, FoundImage } from './labelled-images.js';
import { listFolder, walkFiles } from './walk.js';

const extensions = new Set(['.png', '.jpg', '.jpeg', '.webp', '.gif']);

/** Finds images whose class is the first folder below `root`. */
export async function findInFolders(root: string): Promise<Findings> {
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

/** Whether a file, by its path below the images' folder, is one that `findInFolders` finds in one of some classes. */
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
