import { mkdirSync } from 'node:fs';
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
    throw asUserError(error, path);
  }
}
