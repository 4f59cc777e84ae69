import { createWriteStream } from 'node:fs';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { crc32 } from 'node:zlib';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ZipFile } from 'yazl';
import { nodeProgram } from '../support/programs.js';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hostile-'));
});
afterAll(() => rm(folder, { recursive: true }));

type Content = Uint8Array | { readonly zeros: number; readonly head?: Uint8Array };

/** An archive; zeros are deflated to a thousandth. */
async function zip(name: string, entries: Readonly<Record<string, Content>>): Promise<void> {
  const archive = new ZipFile();
  for (const [entry, content] of Object.entries(entries))
    if (content instanceof Uint8Array) archive.addBuffer(Buffer.from(content), entry, { compress: false });
    else
      archive.addReadStream(Readable.from(zeros(content), { objectMode: false }), entry, { compress: true });
  archive.end();
  await pipeline(archive.outputStream, createWriteStream(join(folder, name)));
}

function* zeros({ zeros, head }: { readonly zeros: number; readonly head?: Uint8Array }) {
  if (head !== undefined) yield head;
  const block = Buffer.alloc(2 ** 20);
  for (let left = zeros; left > 0; left -= block.length) yield block;
}

/** A PyTorch checkpoint of that pickle, with a storage of one float. */
const checkpoint = (name: string, pickle: Uint8Array) =>
  zip(name, { 'archive/data.pkl': pickle, 'archive/data/0': Buffer.alloc(4) });

const bytes = (...parts: (string | Uint8Array | readonly number[])[]): Buffer =>
  Buffer.concat(
    parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from(part))),
  );
const protocol = [0x80, 2];
const uint32 = (value: number) => {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32LE(value);
  return buffer;
};
const integer = (value: number) => {
  const buffer = Buffer.alloc(10);
  buffer.set([0x8a, 8]);
  buffer.writeBigInt64LE(BigInt(value), 2);
  return buffer;
};
const text = (value: string) => bytes('X', uint32(value.length), value);

/** A tensor that sees its only element everywhere. */
const tensor = (...shape: number[]) =>
  bytes(
    'ctorch._utils\n_rebuild_tensor_v2\n((',
    ...[text('storage'), 'ctorch\nFloatStorage\n', text('0'), text('cpu'), integer(1), 'tQ', integer(0)],
    ...[
      '(',
      ...shape.map(integer),
      't(',
      ...shape.map(() => integer(0)),
      't\x89ccollections\nOrderedDict\n)RtR',
    ],
  );
const stateDict = (tensors: Readonly<Record<string, Uint8Array>>) =>
  bytes(protocol, '}(', ...Object.entries(tensors).flatMap(([name, value]) => [text(name), value]), 'u.');
const small = {
  'x_embedder.proj.weight': tensor(32, 4, 2, 2),
  pos_embed: tensor(1, 16, 32),
  'y_embedder.embedding_table.weight': tensor(6, 32),
};
/** A list that holds another twice, sixty times over. */
const laughs = bytes(
  ']q\x00',
  ...Array.from({ length: 60 }, (_, i) => bytes(']q', [i + 1], '(h', [i], 'h', [i], 'e')),
);

async function safetensors(name: string, header: string | Buffer, length = header.length): Promise<void> {
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(length));
  await writeFile(join(folder, name), Buffer.concat([prefix, Buffer.from(header)]));
}

const npyHeader = (dtype: string, shape: string) => {
  const header = `{'descr': '${dtype}', 'fortran_order': False, 'shape': ${shape}, }`.padEnd(117) + '\n';
  return bytes('\x93NUMPY\x01\x00', [header.length & 255, header.length >> 8], header);
};

/** A PNG that announces so many pixels, and holds none. */
function png(side: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const chunk = Buffer.concat([Buffer.from('IHDR'), header]);
  return bytes(
    '\x89PNG\r\n\x1a\n',
    [0, 0, 0, 13],
    chunk,
    crc(chunk),
    [0, 0, 0, 0],
    'IEND',
    crc(Buffer.from('IEND')),
  );
}

function crc(data: Buffer): Buffer {
  const result = Buffer.alloc(4);
  result.writeUInt32BE(crc32(data));
  return result;
}

/** What each file is, and what is said of it. */
const files: readonly (readonly [name: string, code: string, make: (name: string) => Promise<void>])[] = [
  [
    'block-900000000.pt',
    'checkpoint-mismatch',
    (name) => checkpoint(name, stateDict({ ...small, 'blocks.900000000.attn.an_bias': tensor(4, 4, 7, 7) })),
  ],
  [
    'integer.pt',
    'checkpoint-invalid',
    (name) => checkpoint(name, bytes(protocol, '\x8b', uint32(4e5), Buffer.alloc(4e5, 1), '.')),
  ],
  [
    'long-text.pt',
    'checkpoint-invalid',
    (name) => checkpoint(name, bytes(protocol, '\x8d', Buffer.alloc(8, 0x3f), 'abc.')),
  ],
  ['maps.pt', 'checkpoint-invalid', (name) => checkpoint(name, bytes(protocol, Buffer.alloc(3e7, '}'), '.'))],
  [
    'marks.pt',
    'checkpoint-invalid',
    (name) => checkpoint(name, bytes(protocol, Buffer.alloc(3e7, '('), '.')),
  ],
  [
    'deep.pt',
    'checkpoint-unknown-global',
    (name) => checkpoint(name, bytes(protocol, Buffer.alloc(2e5, ']'), Buffer.alloc(2e5 - 1, 'a'), '.')),
  ],
  [
    'key-of-lists.pt',
    'checkpoint-invalid',
    (name) => checkpoint(name, bytes(protocol, '}', laughs, text('x'), 's.')),
  ],
  [
    'path-of-lists.pt',
    'checkpoint-invalid',
    (name) => checkpoint(name, bytes(protocol, 'cpathlib\nPosixPath\n', laughs, '\x85R.')),
  ],
  [
    'device-of-lists.pt',
    'checkpoint-invalid',
    (name) => checkpoint(name, bytes(protocol, 'ctorch\ndevice\n', laughs, '\x85R.')),
  ],
  [
    'no-storage.pt',
    'checkpoint-invalid',
    (name) =>
      checkpoint(
        name,
        bytes(protocol, 'ctorch._utils\n_rebuild_tensor_v2\n(}K\x00(J\xff\xff\xff\x7ft(K\x01ttR.'),
      ),
  ],
  [
    'wide-view.pt',
    'checkpoint-invalid',
    (name) => checkpoint(name, stateDict({ ...small, pos_embed: tensor(1, 2 ** 30, 32) })),
  ],
  [
    'vast-view.pt',
    'checkpoint-invalid',
    (name) => checkpoint(name, stateDict({ ...small, pos_embed: tensor(2 ** 30, 2 ** 30, 2 ** 30) })),
  ],
  ['bomb.pt', 'zip-invalid', (name) => zip(name, { 'archive/data.pkl': { zeros: 2 ** 29 } })],
  [
    'large-pickle.pt',
    'checkpoint-invalid',
    (name) => zip(name, { 'archive/data.pkl': Buffer.alloc(65 * 2 ** 20, 'N') }),
  ],
  ['entries.pt', 'zip-invalid', (name) => manyEntries(name, 140_000)],
  [
    'legacy.pt',
    'checkpoint-invalid',
    (name) => sparse(name, bytes(protocol, '\x8d', Buffer.alloc(6, 0xff), [0, 0]), 2 ** 33),
  ],
  [
    'legacy-storage.pt',
    'checkpoint-invalid',
    (name) =>
      writeFile(
        join(folder, name),
        bytes(
          ...[
            protocol,
            '\x8a\x0a',
            Buffer.from('6cfc9c46f9206aa85019', 'hex'),
            '.',
            protocol,
            'M\xe9\x03.',
            protocol,
            '}.',
          ],
          ...[
            protocol,
            '(',
            text('storage'),
            'ctorch\nFloatStorage\n',
            text('0'),
            text('cpu'),
            integer(2 ** 40),
            'NtQ.',
            protocol,
            '].',
          ],
        ),
      ),
  ],
  [
    'old.tar.pt',
    'checkpoint-invalid',
    (name) =>
      writeFile(join(folder, name), bytes('sys_info', Buffer.alloc(1528), 'tensors', Buffer.alloc(1529))),
  ],
  [
    'header.safetensors',
    'safetensors-invalid',
    (name) =>
      safetensors(name, Buffer.concat([Buffer.from('['), Buffer.alloc(5e7, '[],'), Buffer.from('0]')])),
  ],
  ['announced.safetensors', 'safetensors-invalid', (name) => safetensors(name, '{}', 2 ** 53)],
  ['nested.safetensors', 'safetensors-invalid', (name) => safetensors(name, '['.repeat(3e5))],
  [
    'shape.safetensors',
    'safetensors-invalid',
    (name) => safetensors(name, `{"a":{"dtype":"F32","shape":[${'9,'.repeat(1e6)}9],"data_offsets":[0,4]}}`),
  ],
  [
    'index.safetensors.index.json',
    'safetensors-invalid',
    (name) => sparse(name, bytes('{"weight_map":{"a":"'), 2 ** 33),
  ],
  [
    'bomb.npz',
    'zip-invalid',
    (name) => zip(name, { 'mu.npy': { zeros: 2 ** 29, head: npyHeader('<f8', '(67108864,)') } }),
  ],
  [
    'shape.npz',
    'npy-invalid',
    (name) => zip(name, { 'arr_0.npy': npyHeader('|u1', '(1099511627776, 256, 256, 3)') }),
  ],
  [
    'infinite.npz',
    'npy-invalid',
    (name) => zip(name, { 'arr_0.npy': npyHeader('|u1', `(${'9'.repeat(60)}, 256, 256, 3)`) }),
  ],
  [
    'wide.npz',
    'npy-invalid',
    (name) => zip(name, { 'arr_0.npy': npyHeader('|u1', '(1, 4503599627370496)') }),
  ],
  ['rows.npz', 'nothing', (name) => zip(name, { 'arr_0.npy': npyHeader('|u1', '(1099511627776, 0)') })],
  ['pixels.png', 'image-unreadable', (name) => writeFile(join(folder, name), png(16_000))],
];

/** A file of that many bytes, zeros after its beginning, which take no place. */
async function sparse(name: string, head: Uint8Array, size: number): Promise<void> {
  const file = await open(join(folder, name), 'w');
  await file.write(head);
  await file.truncate(size);
  await file.close();
}

/** An archive whose end announces so many entries. */
function manyEntries(name: string, count: number): Promise<void> {
  const end = Buffer.alloc(4 + 56 + 20 + 22);
  end.write('PK\x03\x04', 0, 'latin1');
  end.write('PK\x06\x06', 4, 'latin1');
  end.writeBigUInt64LE(44n, 8);
  end.writeBigUInt64LE(BigInt(count), 28);
  end.writeBigUInt64LE(BigInt(count), 36);
  end.writeBigUInt64LE(4n, 52);
  end.write('PK\x06\x07', 60, 'latin1');
  end.writeBigUInt64LE(4n, 68);
  end.writeUInt32LE(1, 76);
  end.write('PK\x05\x06', 80, 'latin1');
  end.fill(0xff, 88, 100);
  return writeFile(join(folder, name), end);
}

it('files that announce more than they hold are refused within a second and 300 MB', async () => {
  for (const [name, , make] of files) await make(name);
  await writeFile(join(folder, 'first.png'), png(1));
  const names = ['first.png', ...files.map(([name]) => name)];
  const { stdout, exitCode, stderr } = await execa(
    process.execPath,
    [...nodeProgram('test/data/read-hostile.ts'), ...names.map((name) => join(folder, name))],
    { reject: false },
  );
  const lines = stdout.split('\n').filter(Boolean);
  const found = lines.map((line) => JSON.parse(line) as { code: string; seconds: number; megabytes: number });
  expect(exitCode, `${stderr} after ${names[lines.length - 1] ?? 'nothing'}`).toBe(0);
  const outcomes = Object.fromEntries(names.map((name, i) => [name, found[i]!.code]));
  expect(outcomes).toEqual({
    'first.png': 'image-unreadable',
    ...Object.fromEntries(files.map(([name, code]) => [name, code])),
  });
  const [first] = found;
  for (const [i, { seconds, megabytes }] of found.entries()) {
    if (i > 0) expect(seconds, names[i]).toBeLessThan(1);
    expect(megabytes - first!.megabytes, names[i]).toBeLessThan(300);
  }
}, 120_000);
