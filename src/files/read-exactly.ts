import type { FileHandle } from 'node:fs/promises';
import { UserError } from '../errors.js';

/**
 * Fills `out` from a position of an open file, whatever the size.
 *
 * @throws UserError `file-truncated` when the file ends before `out` is full.
 */
export async function readExactly(
  handle: FileHandle,
  out: Uint8Array,
  position: number,
  path: string,
): Promise<void> {
  for (let offset = 0; offset < out.byteLength;) {
    const length = Math.min(out.byteLength - offset, largestRead);
    const { bytesRead } = await handle.read(out, offset, length, position + offset);
    if (bytesRead === 0) {
      throw new UserError({
        code: 'file-truncated',
        message: `${path}: expected ${out.byteLength} bytes from byte ${position} on, found ${offset}.`,
        remedy: 'The file is incomplete: copy, download or make it again.',
      });
    }
    offset += bytesRead;
  }
}

/** One read call cannot return 2 GiB. */
const largestRead = 1 << 30;
