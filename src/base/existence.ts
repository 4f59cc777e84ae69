import { access, readdir } from 'node:fs/promises';
import { asUserError } from './files.js';

/** True for the error of a file or folder that is not there. */
export function isAbsent(error: unknown): boolean {
  const { code } = (error ?? {}) as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/** True for the path of a file or folder that is there, and can be reached. */
export function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Names in a folder; none where it is not there. @throws UserError where it cannot be read */
export async function namesIn(folder: string): Promise<readonly string[]> {
  return readdir(folder).catch((error: unknown) => {
    if (isAbsent(error)) return [];
    throw asUserError(error, folder);
  });
}
