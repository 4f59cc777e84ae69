import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TorchValue } from '../../../src/formats/pytorch/checkpoint.js';
import { openTorchCheckpoint } from '../../../src/formats/pytorch/read.js';
import type { TorchTensor } from '../../../src/formats/pytorch/tensor.js';
import { openModel } from '../../../src/weights/open.js';
import { openSafetensors } from '../../../src/formats/safetensors/reader.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pytorch-'));
});
afterAll(() => rm(folder, { recursive: true }));

const fixture = (name: string) => new URL(`../../fixtures/${name}`, import.meta.url).pathname;
type Record = Readonly<globalThis.Record<string, TorchValue>>;

describe('the checkpoint of the reference', () => {
  it('holds the tensors and the options that PyTorch finds in it', async () => {
    const checkpoint = await openTorchCheckpoint(fixture('reference_checkpoint.pt'));
    const expected = await openSafetensors(fixture('reference_checkpoint.safetensors'));
    const value = checkpoint.value as globalThis.Record<string, Record>;
    const found = ['model', 'ema'].flatMap((part) =>
      Object.entries(value[part]!).map(([name, tensor]) => [`${part}.${name}`, tensor] as const),
    );
    expect(found.map(([name]) => name).sort()).toEqual([...expected.tensors.keys()].sort());
    for (const [name, tensor] of found) {
      expect(await (tensor as TorchTensor).read(), name).toEqual(await expected.read(name));
    }
    expect(value).toMatchObject({
      args: { model: 'SiT-S/2', mediator_num: 4, image_size: 64 },
      epoch: 3,
      train_steps: 42,
      opt: { param_groups: [{ lr: 1e-4, betas: [0.9, 0.999], amsgrad: false, foreach: null }] },
    });
    const { state } = value.opt as unknown as { state: globalThis.Record<string, Record> };
    expect(state[1]!.exp_avg).toMatchObject({
      shape: (value.model!['x_embedder.proj.weight'] as TorchTensor).shape,
    });
    await expected.close();
    await checkpoint.close();
  });
});

describe.each(['torch_zip.pt', 'torch_legacy.pt'])('%s, written by PyTorch', (name) => {
  it('is read with every kind of value, and views as what they show', async () => {
    const checkpoint = await openTorchCheckpoint(fixture(name));
    const value = checkpoint.value as Record;
    const tensor = (key: string) => (value[key] as TorchTensor).read();
    const float = (shape: number[], ...data: number[]) => ({
      dtype: 'F32',
      shape,
      data: Float32Array.from(data),
    });
    expect(await tensor('whole')).toEqual(float([3, 4], ...Array(12).keys()));
    expect(await tensor('t')).toEqual(float([4, 3], 0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11));
    expect(await tensor('row')).toEqual(float([4], 4, 5, 6, 7));
    expect(await tensor('scalar')).toEqual(float([], 3));
    expect(await tensor('empty')).toEqual(float([0, 3]));
    expect(await tensor('param')).toEqual(float([1], 7));
    expect(await tensor('half')).toEqual({ dtype: 'F16', shape: [2], data: Uint16Array.of(0x3e00, 0xc000) });
    expect(await tensor('bf')).toEqual({ dtype: 'BF16', shape: [2], data: Uint16Array.of(0x3fc0, 0xc000) });
    expect(await tensor('long')).toEqual({ dtype: 'I64', shape: [1], data: BigInt64Array.of(2n ** 40n) });
    expect(await tensor('bool')).toEqual({ dtype: 'BOOL', shape: [2], data: Uint8Array.of(1, 0) });
    expect(value).toMatchObject({
      big: 2n ** 70n,
      neg: -5,
      list: [1, [2, 'x'], null],
      ns: { a: 1, b: 'c' },
      dtype: 'torch.float32',
      size: [2, 3],
      state: { 0: 'zero' },
      od: { k: 1.5 },
    });
    await checkpoint.close();
  });

  it('is refused wherever it is cut', async () => {
    const bytes = await readFile(fixture(name));
    const path = join(folder, name);
    for (const length of [2, 10, 100, bytes.length >> 1, bytes.length - 1]) {
      await writeFile(path, bytes.subarray(0, length));
      await expect(openTorchCheckpoint(path), `${length} bytes`).rejects.toMatchObject({
        name: 'UserError',
        code: expect.stringMatching(/^(checkpoint|zip)-invalid$/) as string,
      });
    }
  });
});

describe('refuses', () => {
  it('a checkpoint that asks for code to be run, naming it and running nothing', async () => {
    const path = fixture('torch_code.pt');
    await expect(openModel(path, { weights: 'all' })).rejects.toMatchObject({
      code: 'checkpoint-unknown-global',
      message: `${path}: expected a dictionary with the tensors of a SiT, found the keys x; it also refers to posix.system, of which nothing is executed.`,
    });
    await expect(access('/tmp/executed')).rejects.toThrow();
  });

  it('a big-endian one', async () => {
    const path = join(folder, 'big.pt');
    const legacy = await readFile(fixture('torch_legacy.pt'));
    const at = legacy.indexOf('little_endian') + 'little_endian'.length;
    const flag = legacy.indexOf(0x88, at);
    expect(flag - at).toBeLessThan(4);
    legacy[flag] = 0x89;
    await writeFile(path, legacy);
    await expect(openTorchCheckpoint(path)).rejects.toThrow('its byte order is big');
  });

  it('what is no checkpoint', async () => {
    const path = join(folder, 'no.pt');
    for (const content of ['', 'hello there', '\x80\x02K\x01.', '\x80\x02(lp0\n.']) {
      await writeFile(path, content, 'latin1');
      await expect(openTorchCheckpoint(path), content).rejects.toMatchObject({ code: 'checkpoint-invalid' });
    }
    await expect(openTorchCheckpoint(join(folder, 'absent.pt'))).rejects.toMatchObject({
      code: 'file-missing',
    });
    await expect(openTorchCheckpoint(fixture('numpy.npz'))).rejects.toThrow('the archive has no data.pkl');
  });
});
