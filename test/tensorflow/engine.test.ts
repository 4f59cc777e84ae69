import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkEngine, gpuWarnings } from '../../src/tensorflow/engine-choice.js';
import { chooseEngine, nativeBackend, startEngine } from '../../src/tensorflow/index.js';
import type { Machine } from '../../src/tensorflow/install/platform.js';

let empty: string;
beforeAll(() => {
  empty = mkdtempSync(join(tmpdir(), 'engine-'));
});
afterAll(() => {
  rmSync(empty, { recursive: true });
});

const capable: Machine = { platform: 'linux-x64', cpuinfo: 'flags\t\t: fpu sse2 avx avx2\n', glibc: '2.36' };
const withoutAvx: Machine = { ...capable, cpuinfo: 'flags\t\t: fpu sse2\n' };
const cpuBuild = { version: '2.21.0', build: 'cpu', directory: '', cc: '', framework: '' } as const;
const noGpus = { driver: undefined, expected: false, gpus: [], problems: [], notes: [] };
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
  ] as const)('the fallback, with the reason: %s', (_, env, machine, reason) => {
    expect(chooseEngine('auto', env, machine)).toEqual({
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
    expect(() => chooseEngine('auto', { PIPELINE_DEVICE: 'gpu' }, withoutAvx)).toThrow(facts);
  });

  test('no unknown word, and no folder without libraries', () => {
    expect(() => chooseEngine('auto', { PIPELINE_BACKEND: 'webgpu' }, capable)).toThrow(
      expect.objectContaining({
        code: 'backend-unknown',
        message: expect.stringContaining('webgpu') as string,
      }),
    );
    writeFileSync(join(empty, 'libtensorflow_cc.so.2'), '');
    expect(() => checkEngine({}, { PIPELINE_TENSORFLOW: empty })).toThrow(
      expect.objectContaining({ code: 'tensorflow-folder-incomplete' }),
    );
  });
});

describe('before anything runs', () => {
  test.each([
    ['an empty cache', { PIPELINE_CACHE: '' }],
    ['another home', { HOME: '' }],
  ] as const)('the library that is missing is told of, not replaced: %s', (_, env) => {
    const given = Object.fromEntries(Object.keys(env).map((key) => [key, empty]));
    const missing = {
      code: 'tensorflow-missing',
      remedy: expect.stringContaining('npm run setup') as string,
    };
    expect(() => checkEngine({}, given)).toThrow(expect.objectContaining(missing));
    expect(checkEngine({}, { ...given, PIPELINE_BACKEND: 'wasm' })).toEqual({
      computesOn: 'WebAssembly',
      warnings: [expect.stringMatching(/WebAssembly.*asks for it/)],
    });
  });

  test('a GPU that is asked for and hidden, or without a driver, is refused', () => {
    const cpuOnly = { PIPELINE_DEVICE: 'cpu' };
    expect(() => gpuWarnings('gpu', cpuBuild, noGpus, undefined, cpuOnly)).toThrow(
      expect.objectContaining({
        code: 'gpu-missing',
        message: expect.stringContaining('PIPELINE_DEVICE=cpu') as string,
      }),
    );
    expect(() => gpuWarnings('gpu', cpuBuild, noGpus, undefined, {})).toThrow(/no NVIDIA driver/);
    expect(gpuWarnings('auto', cpuBuild, noGpus, undefined, {})).toEqual([]);
  });

  test('a driver beside the CPU build is told of, unless that build was asked for', () => {
    writeFileSync(join(empty, 'libcuda.so.1'), '');
    const env = { LD_LIBRARY_PATH: empty, PIPELINE_CACHE: empty };
    const driver = { version: undefined, evidence: join(empty, 'libcuda.so.1') };
    const withDriver = { ...noGpus, driver };
    expect(gpuWarnings('auto', cpuBuild, withDriver, undefined, env)).toEqual([
      expect.stringMatching(/processor computes.*CPU build.*--gpu/),
    ]);
    writeFileSync(join(empty, 'device'), 'cpu\n');
    expect(gpuWarnings('auto', cpuBuild, withDriver, undefined, env)).toEqual([]);
  });

  test('what the GPU lacks, in the words of the driver and of TensorFlow', () => {
    const cuda = { ...cpuBuild, build: 'cuda' as const };
    const driver = { version: undefined, evidence: '/dev/nvidiactl' };
    const lacking = {
      ...noGpus,
      driver,
      expected: true,
      problems: [{ message: 'ptxas is missing.', remedy: 'Fetch it.' }],
    };
    expect(gpuWarnings('auto', cuda, lacking, undefined, {})).toEqual([
      'The processor computes, not the GPU: ptxas is missing. Fetch it.',
    ]);
    expect(() => gpuWarnings('gpu', cuda, lacking, undefined, {})).toThrow(/ptxas is missing/);
    const seen = { registered: false, reasons: ["Could not load dynamic library 'libcufft.so.11'"] };
    expect(gpuWarnings('auto', cuda, { ...lacking, problems: [] }, seen, {})).toEqual([
      expect.stringContaining('libcufft.so.11'),
    ]);
    expect(gpuWarnings('cpu', cuda, lacking, undefined, {})).toEqual([]);
  });
});

test('the processor is named before anything runs, and that it needs no `deterministic`', () => {
  expect(checkEngine({ device: 'cpu' })).toEqual({ computesOn: 'processor', warnings: [] });
  expect(checkEngine({ device: 'cpu', deterministic: true }).warnings).toEqual([
    expect.stringContaining('changes nothing on the processor'),
  ]);
});

test('a GPU that is asked for and not there is refused when the engine starts', async () => {
  const { warnings } = await startEngine();
  expect(warnings).toEqual([]);
  expect((await startEngine()).kind).toBe('native');
  if (!nativeBackend().devices.includes('GPU'))
    await expect(startEngine({ device: 'gpu' })).rejects.toThrow(/A GPU was requested/);
});
