import { readFile } from 'node:fs/promises';
import { systemProblem } from '../../files/file-errors.js';

/** What is wrong with a file as a whole. */
export interface UnreadableFile {
  readonly code: string;
  readonly message: string;
  readonly remedy?: string;
}

/** Whether a text has the form of a lock, which `run` writes beside a pipeline file, whatever the name of its file. */
export const isLock = (text: string): boolean =>
  [/^format: \d+\r?$/m, /^madeWith:/m, /^stages:/m].every((key) => key.test(text));

/** Whether a file is a lock, by what it holds. */
export async function isLockFile(file: string): Promise<boolean> {
  const text = await readText(file);
  return typeof text === 'string' && isLock(text);
}

/** The text of a UTF-8 file, or what is wrong with the file. */
export async function readText(file: string): Promise<string | UnreadableFile> {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(await readFile(file));
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code;
    if (reason === 'ENOENT' || reason === 'ENOTDIR')
      return {
        code: 'file-missing',
        message: 'There is no such file.',
        remedy: 'Check the path and the current folder.',
      };
    if (reason === 'EISDIR')
      return { code: 'file-is-folder', message: 'A pipeline file was expected; this is a folder.' };
    if (reason === 'ERR_ENCODING_INVALID_ENCODED_DATA')
      return {
        code: 'not-utf8',
        message: 'The file is not UTF-8 text.',
        remedy: 'Save it with the encoding UTF-8.',
      };
    const known = systemProblem(error);
    return {
      code: 'file-unreadable',
      message: `The file cannot be read: ${known?.found ?? String(error)}.`,
      ...(known && { remedy: known.remedy }),
    };
  }
}
