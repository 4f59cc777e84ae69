import type { ZipArchive } from '../zip/reader.js';
import { elementBytes } from '../safetensors/dtypes.js';
import { invalidCheckpoint } from './checkpoint.js';
import { checkpointGlobal, largestPickle, StorageType } from './globals.js';
import { textOf } from './pickle/machine.js';
import { unpickle } from './pickle/unpickle.js';
import type { StorageSource, TorchStorage } from './tensor.js';

/**
 * Reads the structure of a checkpoint as PyTorch writes it since 1.6: a zip archive with a pickle, and a file for each
 * storage.
 */
export async function readZipFormat(archive: ZipArchive): Promise<unknown> {
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
