import { closeSync, openSync, readSync, statSync } from 'node:fs';

const headerBytes = 64;
/** `\x7fELF` */
const magic = 0x7f454c46;

/**
 * Whether a 64-bit ELF file ends before its table of sections, which linkers write last: the loader maps such a file
 * and the process dies when it touches what is missing. False for files of other formats.
 */
export function isTruncatedElf(path: string): boolean {
  const header = Buffer.alloc(headerBytes);
  const file = openSync(path, 'r');
  try {
    const read = readSync(file, header, 0, headerBytes, 0);
    if (header.readUInt32BE(0) !== magic) return false;
    if (read < headerBytes) return true;
  } finally {
    closeSync(file);
  }
  const [offset, entryBytes, entries] = [
    header.readBigUInt64LE(0x28),
    header.readUInt16LE(0x3a),
    header.readUInt16LE(0x3c),
  ];
  return BigInt(statSync(path).size) < offset + BigInt(entryBytes * entries);
}
