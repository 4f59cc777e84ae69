import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openPromise } from 'yauzl';
import type { TorchValue } from '../../../src/formats/pytorch/checkpoint.js';
import { openTorchCheckpoint } from '../../../src/formats/pytorch/read.js';
import type { TorchTensor } from '../../../src/formats/pytorch/tensor.js';
import {
  TorchTensorSource,
  type TorchWritable,
  writeTorchCheckpoint,
} from '../../../src/formats/pytorch/write.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pytorch-write-'));
});
afterAll(() => rm(folder, { recursive: true }));

const content: TorchWritable = {
  model: {
    'x.weight': new TorchTensorSource('F32', [2, 3], Float32Array.of(1, 2, 3, 4, 5, 6)),
    scalar: new TorchTensorSource('I64', [], () => BigInt64Array.of(-3n)),
    empty: new TorchTensorSource('F16', [0, 4], new Uint16Array(0)),
    flags: new TorchTensorSource('BOOL', [2], () => Promise.resolve(Uint8Array.of(1, 0))),
  },
  opt: {
    state: new Map([[7, { step: 3 }]]),
    betas: [0.9, 0.999],
    foreach: null,
    amsgrad: false,
    fused: true,
  },
  numbers: [0, -1, 2 ** 31, -(2 ** 40), Number.MAX_SAFE_INTEGER, 1e-8, -0, Infinity],
  name: 'SiT-S/2 über',
};

it('writes what its reader reads, in the same bytes every time', async () => {
  const path = join(folder, 'a.pt');
  await writeTorchCheckpoint(path, content);
  const bytes = await readFile(path);
  await writeTorchCheckpoint(path, content);
  expect((await readFile(path)).equals(bytes)).toBe(true);
  const checkpoint = await openTorchCheckpoint(path);
  const { model, ...rest } = checkpoint.value as Record<string, Record<string, TorchValue>>;
  const tensor = (name: string) => (model![name] as TorchTensor).read();
  expect(await tensor('x.weight')).toEqual({
    dtype: 'F32',
    shape: [2, 3],
    data: Float32Array.of(1, 2, 3, 4, 5, 6),
  });
  expect(await tensor('scalar')).toEqual({ dtype: 'I64', shape: [], data: BigInt64Array.of(-3n) });
  expect(await tensor('empty')).toEqual({ dtype: 'F16', shape: [0, 4], data: new Uint16Array(0) });
  expect(await tensor('flags')).toEqual({ dtype: 'BOOL', shape: [2], data: Uint8Array.of(1, 0) });
  expect(rest).toEqual({
    opt: { state: { 7: { step: 3 } }, betas: [0.9, 0.999], foreach: null, amsgrad: false, fused: true },
    numbers: [0, -1, 2 ** 31, -(2 ** 40), Number.MAX_SAFE_INTEGER, 1e-8, -0, Infinity],
    name: 'SiT-S/2 über',
  });
  await checkpoint.close();
});

it('writes the bytes that torch.load(weights_only=True) of PyTorch 2.15 was seen to read', async () => {
  const path = join(folder, 'golden.pt');
  const tensor = new TorchTensorSource('F32', [1], Float32Array.of(1.5));
  await writeTorchCheckpoint(path, { w: tensor });
  const pickle =
    '\x80\x02}(X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\n' +
    'X\x01\0\0\x000X\x03\0\0\0cpuJ\x01\0\0\0tQJ\0\0\0\0(J\x01\0\0\0t(J\x01\0\0\0t\x89' +
    'ccollections\nOrderedDict\n)RtRu.';
  expect((await readFile(path)).includes(Buffer.from(pickle, 'latin1'))).toBe(true);
});

it('places what each storage holds where PyTorch does, for mmap: torch.load(mmap=True) of PyTorch 2.15 was seen to read it', async () => {
  const path = join(folder, 'aligned.pt');
  const sizes = [1, 3, 16, 4, 0, 1000, 7];
  const tensors = sizes.map((size) => new TorchTensorSource('F32', [size], new Float32Array(size)));
  await writeTorchCheckpoint(path, tensors);
  const zip = await openPromise(path);
  const places: number[] = [];
  for await (const entry of zip.eachEntry()) {
    const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true });
    if (entry.fileName.includes('/data/')) places.push(fileDataStart % 64);
  }
  expect(places).toEqual(sizes.map(() => 0));
});

it('leaves nothing behind when a tensor fails', async () => {
  const inner = await mkdtemp(join(folder, 'failing-'));
  const path = join(inner, 'a.pt');
  const failing = new TorchTensorSource('F32', [1], () => Promise.reject(new Error('no data')));
  await expect(writeTorchCheckpoint(path, [failing])).rejects.toThrow('no data');
  const wrong = new TorchTensorSource('F32', [1], Float64Array.of(1));
  await expect(writeTorchCheckpoint(path, [wrong])).rejects.toThrow('a F32 tensor needs another array');
  const short = new TorchTensorSource('F32', [2], Float32Array.of(1));
  await expect(writeTorchCheckpoint(path, [short])).rejects.toThrow('unexpected number of bytes');
  expect(await readdir(inner)).toEqual([]);
});
