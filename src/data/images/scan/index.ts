import { stat } from 'node:fs/promises';
import { UserError } from '../../../errors.js';
import { asUserError } from '../../../files/file-errors.js';
import { chooseClasses } from './choose-classes.js';
import { findInFolders } from './folders.js';
import { findInLabelsFile, type LabelsFile } from './labels-file.js';
import type { LabelledImages } from './labelled-images.js';

export { checkFilled } from './choose-classes.js';
export { isClassImage } from './folders.js';
export type { LabelledImages } from './labelled-images.js';
export type { LabelsFile } from './labels-file.js';
export { listSome } from './list-some.js';

export interface ScanOptions {
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
