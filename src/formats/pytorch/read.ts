import { open } from 'node:fs/promises';
import { UserError } from '../../base/errors.js';
import { asUserError } from '../../base/files.js';
import { InputFile } from '../../base/input-file.js';
import { elementBytes } from '../safetensors/header.js';
import { ZipArchive } from '../zip-reader.js';
import {
  checkpointGlobal,
  invalidCheckpoint,
  largestPickle,
  plainValue,
  StorageType,
  type TorchCheckpoint,
} from './checkpoint.js';
import { readLegacyFormat } from './legacy-format.js';
import { textOf } from './pickle-machine.js';
import { unpickle } from './pickle.js';
import type { StorageSource, TorchStorage } from './tensor.js';

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

/**
 * Reads the structure of a checkpoint as PyTorch writes it since 1.6: a zip archive with a pickle, and a file for each
 * storage.
 */
async function readZipFormat(archive: ZipArchive): Promise<unknown> {
  const { path } = archive;
  const pickleName = archive.names.find((name) => /(^|\/)data\.pkl$/.test(name));
  if (pickleName === undefined) throw invalidCheckpoint(path, 'the archive has no data.pkl');
  const folder = pickleName.slice(0, -'data.pkl'.length);
  await checkByteOrder(archive, `${folder}byteorder`);
  const source: StorageSource = {
    read: (key, start, length) => archive.readRange(`${folder}data/${key}`, start, length),
  };
  const persistent = (id: unknown): TorchStorage => {
    const [kind, type, key, , elements] = Array.isArray(id) ? (id as unknown[]) : [];
    if (kind !== 'storage' || !(type instanceof StorageType) || typeof elements !== 'number') {
      throw invalidCheckpoint(path, 'its pickle refers to something that is no storage');
    }
    const { dtype } = type;
    const name = textOf(key);
    const bytes = archive.bytes(`${folder}data/${name}`);
    if (bytes !== elements * elementBytes[dtype]) {
      throw invalidCheckpoint(path, `storage ${name} of ${elements} ${dtype} has ${bytes ?? 'no'} bytes`);
    }
    return { source, key: name, dtype, elements, start: 0 };
  };
  const global = (module: string, name: string) => checkpointGlobal(path, module, name);
  const pickleBytes = archive.bytes(pickleName)!;
  if (pickleBytes > largestPickle) throw invalidCheckpoint(path, `its pickle has ${pickleBytes} bytes`);
  return unpickle(await archive.read(pickleName), 0, { global, persistent }).value;
}

async function checkByteOrder(archive: ZipArchive, name: string): Promise<void> {
  if (archive.bytes(name) === undefined) return;
  const order = Buffer.from(await archive.read(name)).toString();
  if (order !== 'little') throw invalidCheckpoint(archive.path, `its byte order is ${order}`);
}
