import { open } from 'node:fs/promises';
import { UserError } from '../../errors.js';
import { asUserError } from '../../files/file-errors.js';
import { InputFile } from '../../files/input-file.js';
import { ZipArchive } from '../zip/reader.js';
import { invalidCheckpoint, plainValue, type TorchCheckpoint } from './checkpoint.js';
import { readLegacyFormat } from './legacy-format.js';
import { readZipFormat } from './zip-format.js';

/**
 * Opens a PyTorch checkpoint (`torch.save`), of the zip format or the one before it, of any size. Nothing in it is
 * executed.
 *
 * @throws UserError `file-missing`, `checkpoint-invalid`, `zip-invalid` or `checkpoint-unknown-global`.
 */
export async function openTorchCheckpoint(path: string): Promise<TorchCheckpoint> {
  const { file, read } = (await isZip(path)) ? await openZip(path) : await openLegacy(path);
  try {
    return { path, value: plainValue(await read()), close: () => file.close() };
  } catch (error) {
    await file.close();
    const known = asUserError(error, path);
    if (known instanceof UserError) throw known;
    throw invalidCheckpoint(path, error instanceof Error ? error.message : String(error), error);
  }
}

async function openZip(path: string) {
  const archive = await ZipArchive.open(path);
  return { file: archive, read: () => readZipFormat(archive) };
}

async function openLegacy(path: string) {
  const file = await InputFile.open(path);
  return { file, read: () => readLegacyFormat(file) };
}

async function isZip(path: string): Promise<boolean> {
  const handle = await open(path, 'r').catch((error: unknown) => {
    throw asUserError(error, path);
  });
  try {
    const { buffer } = await handle.read(Buffer.alloc(4), 0, 4, 0);
    return buffer.toString('latin1') === 'PK\x03\x04';
  } catch (error) {
    throw asUserError(error, path);
  } finally {
    await handle.close();
  }
}
