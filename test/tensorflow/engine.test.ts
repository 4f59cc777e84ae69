import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chooseEngine, nativeBackend, startEngine } from '../../src/tensorflow/index.js';
import type { Machine } from '../../src/tensorflow/library/platform.js';

let empty: string;
beforeAll(() => {
  empty = mkdtempSync(join(tmpdir(), 'engine-'));
});
afterAll(() => {
  rmSync(empty, { recursive: true });
});

const capable: Machine = { platform: 'linux-x64', cpuinfo: 'flags\t\t: fpu sse2 avx avx2\n', glibc: '2.36' };
const withoutAvx: Machine = { ...capable, cpuinfo: 'flags\t\t: fpu sse2\n' };
const alpine: Machine = { ...capable, glibc: undefined };

describe('what computes', () => {
  test('the native library, where it is set up and the machine is able to run it', () => {
    expect(chooseEngine('auto', {}, capable)).toEqual({ kind: 'native' });
    expect(chooseEngine('auto', { PIPELINE_BACKEND: 'native' }, capable)).toEqual({ kind: 'native' });
  });

  test.each([
    ['asked for', { PIPELINE_BACKEND: 'wasm' }, capable, /asks for it/],
    ['a processor without AVX', {}, withoutAvx, /AVX.*QEMU/],
    ['another C library', {}, alpine, /GNU C library/],
    ['a library that is not set up', { PIPELINE_CACHE: '' }, capable, /not set up.*npm run setup/],
  ] as const)('the fallback, with the reason: %s', (_, env, machine, reason) => {
    const given = 'PIPELINE_CACHE' in env ? { PIPELINE_CACHE: empty } : env;
    expect(chooseEngine('auto', given, machine)).toEqual({
      kind: 'wasm',
      reason: expect.stringMatching(reason) as string,
    });
  });

  test('the fallback, on a platform that TensorFlow publishes no library for', () => {
    const { arch } = process;
    Object.defineProperty(process, 'arch', { value: 'riscv64' });
    try {
      expect(chooseEngine('auto', {})).toEqual({
        kind: 'wasm',
        reason: expect.stringContaining('no library for linux on riscv64') as string,
      });
      expect(() => chooseEngine('gpu', {})).toThrow(
        expect.objectContaining({ code: 'platform-unsupported' }),
      );
    } finally {
      Object.defineProperty(process, 'arch', { value: arch });
    }
  });

  test('never the fallback where only the native library or a GPU would do', () => {
    const facts = expect.objectContaining({ code: 'cpu-without-avx' }) as Error;
    expect(() => chooseEngine('gpu', {}, withoutAvx)).toThrow(facts);
    expect(() => chooseEngine('auto', { PIPELINE_BACKEND: 'native' }, withoutAvx)).toThrow(facts);
    expect(() =>
      chooseEngine('auto', { PIPELINE_BACKEND: 'native', PIPELINE_CACHE: empty }, capable),
    ).toThrow(expect.objectContaining({ code: 'tensorflow-missing', remedy: 'Run `npm run setup`.' }));
  });

  test('no unknown word, and no folder without libraries', () => {
    expect(() => chooseEngine('auto', { PIPELINE_BACKEND: 'webgpu' }, capable)).toThrow(
      expect.objectContaining({
        code: 'backend-unknown',
        message: expect.stringContaining('webgpu') as string,
      }),
    );
    writeFileSync(join(empty, 'libtensorflow_cc.so.2'), '');
    expect(() => chooseEngine('auto', { PIPELINE_TENSORFLOW: empty }, capable)).toThrow(
      expect.objectContaining({ code: 'tensorflow-folder-incomplete' }),
    );
  });
});

test('a GPU that is asked for and not there is told of, once, and the CPU computes', async () => {
  const first = await startEngine({ device: 'gpu' });
  expect(first.kind).toBe('native');
  if (nativeBackend().devices.includes('GPU')) expect(first.reason).toBeUndefined();
  else expect(first.reason).toMatch(/GPU is asked for.*sees none/);
  expect(await startEngine({ device: 'gpu' })).toEqual({ kind: 'native' });
});
