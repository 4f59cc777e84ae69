import { accessSync, constants, existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { asUserError } from './file-errors.js';

/**
 * Makes a folder and those above it, where they are missing.
 *
 * @throws UserError naming the folder when it may not be made, or a file is in its place.
 */
export function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    throw asUserError(mkdirReason(path, error), path);
  }
}

/**
 * The real reason why a folder could not be made. `mkdir` of several levels misleads: on a read-only file system it
 * says that something is missing, where a file is in the way that something exists.
 */
export function mkdirReason(path: string, error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'EEXIST') return Object.assign(new Error('a file is in the way'), { code: 'ENOTDIR' });
  if (code !== 'ENOENT') return error;
  let above = dirname(path);
  while (!existsSync(above)) above = dirname(above);
  try {
    accessSync(above, constants.W_OK);
    return error;
  } catch (reason) {
    return reason;
  }
}
