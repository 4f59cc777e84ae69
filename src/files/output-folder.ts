import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { UserError } from '../errors.js';
import { asUserError } from './file-errors.js';
import { makeFolder } from './make-folder.js';
import { syncFolder } from './sync-folder.js';

export interface OutputFolderOptions {
  /** Replaces what is there, if it is a folder with one of the files in `marks`. */
  readonly replace: boolean;
  readonly marks: readonly string[];
}

/**
 * Throws unless a file or folder may be written at `path`.
 *
 * @throws UserError `output-exists`
 */
export async function checkFree(path: string, { replace, marks }: OutputFolderOptions): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return;
  const isOurs = !found.isDirectory() || marks.some((mark) => existsSync(join(path, mark)));
  const isEmpty = found.isDirectory() && (await readdir(path)).length === 0;
  if (isEmpty || (replace && isOurs)) return;
  throw new UserError({
    code: 'output-exists',
    usage: true,
    message: isOurs ? `${path} exists.` : `${path} is a folder with other things in it.`,
    remedy: isOurs
      ? 'Name another place, or replace it with --force.'
      : 'Name a folder that does not exist yet.',
  });
}

/** Makes a folder that appears whole or not at all: filled aside, then renamed. */
export async function writeOutputFolder(
  path: string,
  options: OutputFolderOptions,
  fill: (directory: string) => Promise<void>,
): Promise<void> {
  await checkFree(path, options);
  const partial = `${path}.partial`;
  try {
    makeFolder(dirname(path));
    await rm(partial, { recursive: true, force: true });
    await mkdir(partial);
    await fill(partial);
    await syncFolder(partial);
    await checkFree(path, options);
    const replaced = `${path}.replaced`;
    if (existsSync(path)) await rename(path, replaced);
    await rename(partial, path);
    await syncFolder(dirname(path));
    await rm(replaced, { recursive: true, force: true });
  } catch (error) {
    await rm(partial, { recursive: true, force: true }).catch(() => undefined);
    throw asUserError(error, path);
  }
}
