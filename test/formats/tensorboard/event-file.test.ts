import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { crc32c, EventFile } from '../../../src/formats/tensorboard.js';
import { temporaryFolder } from '../../support/temporary-folder.js';

/** CRC-32C by division of polynomials, a bit at a time. */
function bitwiseCrc(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes)
    for (let bit = 0; bit < 8; bit++) {
      const odd = (crc ^ (byte >> bit)) & 1;
      crc = (crc >>> 1) ^ (odd === 1 ? 0x82f63b78 : 0);
    }
  return ~crc >>> 0;
}

/** Undoes the mask of TFRecord's checksums (tensorflow/core/lib/hash/crc32c.h, Unmask). */
function unmasked(masked: number): number {
  const rotated = (masked - 0xa282ead8) >>> 0;
  return ((rotated >>> 17) | (rotated << 15)) >>> 0;
}

type Field = readonly [number: number, value: number | bigint | Buffer];

/** The fields of a protocol message, read off its bytes. */
function fieldsOf(bytes: Buffer): Field[] {
  const fields: Field[] = [];
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++]!;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const key = Number(varint());
    const [number, type] = [key >> 3, key & 7];
    if (type === 0) fields.push([number, varint()]);
    else if (type === 1) fields.push([number, bytes.readDoubleLE((at += 8) - 8)]);
    else if (type === 5) fields.push([number, bytes.readFloatLE((at += 4) - 4)]);
    else {
      const length = Number(varint());
      fields.push([number, bytes.subarray(at, (at += length))]);
    }
  }
  return fields;
}

/** The events of a file, every checksum checked. */
function eventsOf(file: Buffer): Field[][] {
  const events: Field[][] = [];
  for (let at = 0; at < file.length;) {
    const length = Number(file.readBigUInt64LE(at));
    expect(unmasked(file.readUInt32LE(at + 8))).toBe(bitwiseCrc(file.subarray(at, at + 8)));
    const data = file.subarray(at + 12, at + 12 + length);
    expect(unmasked(file.readUInt32LE(at + 12 + length))).toBe(bitwiseCrc(data));
    events.push(fieldsOf(data));
    at += 16 + length;
  }
  return events;
}

describe('CRC-32C', () => {
  it('is the one of the standard', () => {
    // The check value of CRC-32/ISCSI in the catalogue of parametrised CRC algorithms.
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
    // RFC 3720, B.4: 32 bytes of zeros.
    expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa);
  });
});

describe('an event file', () => {
  it('holds a version, where the session starts, and scalars, each in a checked record', async () => {
    const folder = await temporaryFolder('events');
    const file = await EventFile.create(join(folder, 'tensorboard'), 17);
    await file.write(20, 1234.5, { loss: 0.25, 'gradient norm': 3 });
    await file.write(2 ** 31 + 1, 1235, { loss: -1.5 });
    await file.close();
    const [name, ...others] = await readdir(join(folder, 'tensorboard'));
    expect(others).toEqual([]);
    expect(name).toMatch(/^events\.out\.tfevents\.\d{10}\./);
    const [version, session, first, second] = eventsOf(await readFile(join(folder, 'tensorboard', name!)));
    // Field numbers of tensorflow/core/util/event.proto and framework/summary.proto.
    expect(String(new Map(version).get(3))).toBe('brain.Event:2');
    expect(new Map(session).get(2)).toBe(17n);
    expect(fieldsOf(new Map(session).get(7) as Buffer)).toEqual([[1, 1n]]);
    const scalars = (event: Field[]) =>
      fieldsOf(new Map(event).get(5) as Buffer).map(([, value]) => {
        const fields = new Map(fieldsOf(value as Buffer));
        return [String(fields.get(1)), fields.get(2)];
      });
    expect([new Map(first).get(1), new Map(first).get(2)]).toEqual([1234.5, 20n]);
    expect(scalars(first!)).toEqual([
      ['loss', 0.25],
      ['gradient norm', 3],
    ]);
    expect(new Map(second).get(2)).toBe(2n ** 31n + 1n);
    expect(scalars(second!)).toEqual([['loss', -1.5]]);
  });
});
