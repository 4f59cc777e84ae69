import { type FileHandle, mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';

import protobuf from 'protobufjs/light.js';
import { openFile } from '../base/files.js';

/** The parts of TensorBoard's events that are written (tensorflow/core/util/event.proto, framework/summary.proto). */
const root = protobuf.Root.fromJSON({
  nested: {
    Event: {
      fields: {
        wallTime: { type: 'double', id: 1 },
        step: { type: 'int64', id: 2 },
        fileVersion: { type: 'string', id: 3 },
        summary: { type: 'Summary', id: 5 },
        sessionLog: { type: 'SessionLog', id: 7 },
      },
    },
    Summary: { fields: { value: { rule: 'repeated', type: 'Value', id: 1 } } },
    Value: { fields: { tag: { type: 'string', id: 1 }, simpleValue: { type: 'float', id: 2 } } },
    SessionLog: { fields: { status: { type: 'int32', id: 1 } } },
  },
});
const eventType = root.lookupType('Event');

/** SessionLog.START: readers drop what earlier files say of this step and later ones. */
const sessionStart = 1;

/** A file of scalars that TensorBoard reads while it is written: one for each session of a training. */
export class EventFile {
  private constructor(private readonly handle: FileHandle) {}

  /**
   * Makes the next file of a folder.
   *
   * @param step the first that this session will tell of: what earlier sessions said from there on no longer counts
   */
  static async create(directory: string, step: number): Promise<EventFile> {
    await mkdir(directory, { recursive: true });
    const now = Date.now();
    // Readers take files in the order of their names, which begin with the time.
    const name = `events.out.tfevents.${String(now).slice(0, -3)}.${hostname()}.${process.pid}.${now % 1000}`;
    const file = new EventFile(await openFile(join(directory, name), 'ax'));
    await file.append({ wallTime: now / 1000, fileVersion: 'brain.Event:2' });
    await file.append({ wallTime: now / 1000, step, sessionLog: { status: sessionStart } });
    return file;
  }

  /** Appends scalars of a step. */
  async write(
    step: number,
    wallTimeSeconds: number,
    scalars: Readonly<Record<string, number>>,
  ): Promise<void> {
    const value = Object.entries(scalars).map(([tag, simpleValue]) => ({ tag, simpleValue }));
    await this.append({ wallTime: wallTimeSeconds, step, summary: { value } });
  }

  close(): Promise<void> {
    return this.handle.close();
  }

  private async append(event: Readonly<Record<string, unknown>>): Promise<void> {
    await this.handle.appendFile(tfRecord(eventType.encode(event).finish()));
  }
}

/** Bytes framed as in a TFRecord file: length, its checksum, the bytes, their checksum. */
function tfRecord(data: Uint8Array): Uint8Array {
  const record = Buffer.alloc(8 + 4 + data.byteLength + 4);
  record.writeBigUInt64LE(BigInt(data.byteLength), 0);
  record.writeUInt32LE(maskedCrc32c(record.subarray(0, 8)), 8);
  record.set(data, 12);
  record.writeUInt32LE(maskedCrc32c(data), 12 + data.byteLength);
  return record;
}

/** CRC-32C (Castagnoli), reflected polynomial. */
const polynomial = 0x82f63b78;

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ polynomial : value >>> 1;
  return value;
});

/** CRC-32C of some bytes. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = table[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** The checksum as TFRecord files hold it: rotated and offset, so that checksums of checksums differ. */
function maskedCrc32c(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
