import { UserError } from '../errors.js';

/**
 * The error of a file operation as one for a person, where it is theirs to mend: a missing file, a full disk,
 * missing permission. Any other error is returned as it is.
 */
export function asUserError(error: unknown, path: string): unknown {
  if (error instanceof UserError) return error;
  const known = kinds[(error as NodeJS.ErrnoException | undefined)?.code ?? ''];
  if (known === undefined) return error;
  const [code, found, remedy] = known;
  return new UserError({ code, message: `${path}: ${found}.`, remedy, cause: error });
}

const full = ['disk-full', 'there is no space left on the disk', 'Free some space, then run again.'] as const;
const denied = [
  'permission-denied',
  'permission is denied',
  'Give this user access to it, or choose another folder.',
] as const;

const kinds: Readonly<Record<string, readonly [code: string, found: string, remedy: string] | undefined>> = {
  ENOENT: ['file-missing', 'there is no such file or folder', 'Check the path.'],
  ENOTDIR: ['not-a-folder', 'a part of this path is a file, not a folder', 'Check the path.'],
  EISDIR: ['not-a-file', 'expected a file, found a folder', 'Name a file.'],
  ENOSPC: full,
  EDQUOT: full,
  EACCES: denied,
  EPERM: denied,
  EROFS: [
    'read-only',
    'the file system is read-only',
    'Choose a folder that can be written to, or mount it writable.',
  ],
  EMFILE: [
    'too-many-open-files',
    'this process has too many files open',
    'Raise the limit with `ulimit -n 65536`, then run again.',
  ],
};
