import { rename, writeFile } from 'node:fs/promises';
import { faultPoint } from './fault-point.js';
import { asUserError } from './file-errors.js';

/**
 * Writes a file that no process ever sees in part. It is not synced: a crash of the machine, unlike one of the process,
 * may leave it damaged. For many files that can be made again.
 */
export async function putFile(path: string, content: Uint8Array): Promise<void> {
  try {
    await writeFile(`${path}.partial`, content);
    faultPoint('put aside', path);
    await rename(`${path}.partial`, path);
    faultPoint('put', path);
  } catch (error) {
    throw asUserError(error, path);
  }
}
