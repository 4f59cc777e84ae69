import { UserError } from '../../base/errors.js';
import { asUserError, openFile } from '../../base/files.js';
import { InputFile } from '../../base/input-file.js';
import { ZipArchive } from '../zip-reader.js';
import {
  checkpointGlobal,
  invalidCheckpoint,
  largestPickle,
  plainValue,
  storageReference,
  type TorchCheckpoint,
} from './checkpoint.js';
import { readLegacyFormat } from './legacy-format.js';
import { PickledUnknown } from './pickle-machine.js';
import { unpickle } from './pickle.js';
import type { StorageSource, TorchStorage } from './tensor.js';

/**
 * Opens a PyTorch checkpoint (`torch.save`), of the zip format or the one before it, of any size. Nothing in it is
 * executed.
 *
 * @throws UserError `file-missing`, `checkpoint-invalid` or `zip-invalid`.
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
  const handle = await openFile(path).catch((error: unknown) => {
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

/**
 * Reads the structure of a checkpoint as PyTorch writes it since 1.6: a zip archive with a pickle, and a file for each
 * storage.
 */
async function readZipFormat(archive: ZipArchive): Promise<unknown> {
  const { path } = archive;
  const pickleName = archive.names.find((name) => /(^|\/)data\.pkl$/.test(name));
  if (pickleName === undefined) throw invalidCheckpoint(path, 'the archive has no data.pkl');
  if (archive.names.some((name) => /(^|\/)constants\.pkl$/.test(name)))
    throw invalidCheckpoint(path, 'it is a TorchScript program, not a checkpoint');
  const folder = pickleName.slice(0, -'data.pkl'.length);
  await checkByteOrder(archive, `${folder}byteorder`);
  const source: StorageSource = {
    read: (key, start, length) => archive.readRange(`${folder}data/${key}`, start, length),
  };
  const persistent = (id: unknown): TorchStorage | PickledUnknown => {
    const { type, key, elements } = storageReference(path, id);
    const { dtype } = type;
    if (dtype === undefined) return new PickledUnknown(`torch.${type.name}`);
    const bytes = archive.bytes(`${folder}data/${key}`);
    if (bytes !== elements * type.elementBytes) {
      throw invalidCheckpoint(path, `storage ${key} of ${elements} ${dtype} has ${bytes ?? 'no'} bytes`);
    }
    return { source, key, dtype, elements, start: 0 };
  };
  const pickleBytes = archive.bytes(pickleName)!;
  if (pickleBytes > largestPickle) throw invalidCheckpoint(path, `its pickle has ${pickleBytes} bytes`);
  return unpickle(await archive.read(pickleName), 0, { global: checkpointGlobal, persistent }).value;
}

async function checkByteOrder(archive: ZipArchive, name: string): Promise<void> {
  if (archive.bytes(name) === undefined) return;
  const order = Buffer.from(await archive.read(name)).toString();
  if (order !== 'little') throw invalidCheckpoint(archive.path, `its byte order is ${order}`);
}
