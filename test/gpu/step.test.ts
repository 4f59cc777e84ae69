import { mkdtempSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { RuntimeOptions } from '../../src/tensorflow/index.js';
import type { Asked, Counted } from './step.js';
import { fakeMachine, startOn } from './fake-gpu.js';

const machine = fakeMachine();

const start = (program: string, args: readonly string[], env?: Readonly<Record<string, string>>) =>
  startOn(machine.gpu, machine.folder, program, args, env);

describe('a step', () => {
  const cache = () => ({ PIPELINE_CACHE: join(machine.folder, 'cache') });

  /** What the third step of a process launched and copied. */
  async function counts(asked: Asked, env: Readonly<Record<string, string>> = {}): Promise<Counted> {
    const { exitCode, stdout, stderr } = await start('test/gpu/step.ts', [JSON.stringify(asked)], {
      FAKE_GPU_LOG: join(machine.folder, 'step'),
      // The fake GPU takes no time, which is what XLA would choose kernels by.
      XLA_FLAGS: '--xla_gpu_autotune_level=0',
      ...cache(),
      ...env,
    });
    expect(exitCode, stderr).toBe(0);
    return JSON.parse(stdout) as Counted;
  }
  const sum = (counts: Counted['launches']) => Object.values(counts).reduce((all, one) => all + one, 0);
  const expectsPeak = ({ memory, expected }: Counted) => {
    expect(memory!.peak / expected).toBeGreaterThan(0.85);
    expect(memory!.peak / expected).toBeLessThan(1.15);
  };
  /** Programs that XLA has compiled, with the time of each. */
  const programs = () => {
    const xla = join(machine.folder, 'cache', 'xla');
    const paths = readdirSync(xla, { recursive: true, encoding: 'utf8' }).map((name) => join(xla, name));
    const files = paths.filter((path) => statSync(path).isFile());
    return new Map(files.sort().map((path) => [path, statSync(path).mtimeMs]));
  };
  const twoBlocks = { work: 'trainStep', depth: 2, batch: 4 } as const;
  const full = { mediators: 0, latentSize: 64 } as const;
  const inFloat32 = /cublasS(?:gemm_v2|gemmStridedBatched|gemmBatched|gemv_v2)$/;

  test('multiplies in float32 by cuBLAS, operation by operation', async () => {
    const { devices, launches } = await counts({ ...twoBlocks, runtime: { xla: false } });
    expect(devices).toBe('CPU,GPU');
    expect(launches.cublasSgemm_v2).toBeGreaterThan(0);
    expect(launches.cublasSgemmStridedBatched).toBeGreaterThan(0);
  });

  test('has no product in float32 where bfloat16 is asked for', async () => {
    const { launches } = await counts({ ...twoBlocks, runtime: { precision: 'bfloat16', xla: false } });
    expect(Object.keys(launches).filter((name) => inFloat32.test(name))).toEqual([]);
    expect(launches.cublasSgemmEx).toBeGreaterThan(0);
    expect(launches.cublasGemmStridedBatchedEx).toBeGreaterThan(0);
  });

  test.each([
    // Keys, scalars and the wish to stop come with the batch.
    // The loss with its gradients, and the update.
    { work: 'trainStep', graphs: 2, besides: 256, back: 64 },
    { work: 'forward', graphs: 1, besides: 256, back: 64 * 32 * 32 * 4 * 4 },
  ] as const)(
    'of SiT-S/2 is compiled as a whole: %j; a second process finds what was compiled',
    async ({ work, graphs, besides, back }) => {
      const asked = { work, batch: 64, runtime: { precision: 'bfloat16' } } as const;
      const first = await counts(asked);
      expect(first.launches).toEqual({ graph: graphs });
      expectsPeak(first);
      expect(first.copied['host-to-device']).toBeLessThanOrEqual(first.batchBytes + besides);
      expect(first.copied['device-to-host']).toBeLessThanOrEqual(back);
      expect(first.onProcessor).toEqual(['NoOp', '_Arg', '_Retval']);
      expect(Object.keys(first.launches).filter((name) => inFloat32.test(name))).toEqual([]);
      const kept = programs();
      const second = await counts(asked);
      // What is compiled is written.
      expect(programs()).toEqual(kept);
      expect(second.launches).toEqual(first.launches);
      // Compiling takes several times what finding again takes, however busy the machine is.
      expect(second.firstRun).toBeLessThan(first.firstRun);
    },
    900_000,
  );

  test.each([true, false])(
    'keeps nothing but weights, two moments and an average in the GPU’s memory: XLA %s',
    async (xla) => {
      const { memory, weightBytes } = await counts({
        ...twoBlocks,
        runtime: { precision: 'bfloat16', xla },
      });
      expect(memory!.inUse / weightBytes).toBeGreaterThanOrEqual(4);
      expect(memory!.inUse / weightBytes).toBeLessThan(4.5);
    },
    900_000,
  );

  test.each<Omit<Asked, 'depth'>>([
    { work: 'trainStep', batch: 8, runtime: { precision: 'float32' } },
    { work: 'trainStep', batch: 64, recompute: true, runtime: { precision: 'bfloat16' } },
    { work: 'trainStep', batch: 64, accumulate: 4, runtime: { precision: 'bfloat16' } },
    { work: 'trainStep', name: 'SiT-XL/2', batch: 8, runtime: { precision: 'bfloat16' } },
    { work: 'trainStep', batch: 64, runtime: { precision: 'bfloat16', xla: false } },
    { work: 'trainStep', batch: 64, recompute: true, runtime: { precision: 'float32', xla: false } },
    { work: 'forward', batch: 64, runtime: { precision: 'float32' } },
    { work: 'forward', name: 'SiT-XL/2', batch: 8, runtime: { precision: 'bfloat16' } },
    { work: 'forward', batch: 64, runtime: { precision: 'float32', xla: false } },
    // Full attention at 1,024 tokens: 50 million scores, in two parts.
    { ...full, work: 'trainStep', batch: 8, runtime: { precision: 'float32' } },
    { ...full, work: 'trainStep', batch: 8, runtime: { precision: 'bfloat16' } },
  ])(
    'of two blocks has the peak of memory that is expected: %j',
    async (asked) => {
      expectsPeak(await counts({ ...asked, depth: 2 }));
    },
    900_000,
  );

  describe('with full attention at 1,024 tokens', () => {
    const attending = { ...full, work: 'trainStep', depth: 1, batch: 8 } as const;
    const runtime = { precision: 'bfloat16' } as const;
    const byCudnn = ({ launches, recorded }: Counted) =>
      Object.keys({ ...launches, ...recorded }).filter((name) => name.startsWith('cudnn'));

    const kernels = ['cudnn-attention-nondeterministic', 'cudnn-attention-gradient-nondeterministic'];

    test('leaves it to cuDNN, forward and backward', async () => {
      const counted = await counts({ ...attending, runtime });
      expect(counted.launches).toEqual({ graph: 2 });
      expect(byCudnn(counted).sort()).toEqual([...kernels].sort());
      // Once where it is compared with products, before it is used.
      for (const kernel of kernels) expect(counted.recorded[kernel]).toBeGreaterThan(1);
      expect(counted.notices).toEqual([]);
    }, 900_000);

    test('asks cuDNN for a gradient that is deterministic, where all is to be', async () => {
      const counted = await counts({ ...attending, runtime: { ...runtime, deterministic: true } });
      expect(byCudnn(counted)).toContain('cudnn-attention-gradient-deterministic');
      expect(byCudnn(counted)).not.toContain('cudnn-attention-gradient-nondeterministic');
    }, 900_000);

    test.each([
      [
        'has no such kernel',
        '0',
        0,
        /^cuDNN could not do the attention of a program, which now keeps its scores/,
      ],
      [
        'computes wrongly',
        'wrong',
        1,
        /and slower: cuDNN's attention, compared with products, is off by 1[.]0/,
      ],
    ])(
      'keeps scores in parts where cuDNN %s, and says so',
      async (_, attention, compared, notice) => {
        const cache = { PIPELINE_CACHE: mkdtempSync(join(machine.folder, 'cache-')) };
        const counted = await counts({ ...attending, runtime }, { FAKE_GPU_ATTENTION: attention, ...cache });
        expect(counted.launches).toEqual({ graph: 2 });
        expect(kernels.map((kernel) => counted.recorded[kernel] ?? 0)).toEqual([compared, compared]);
        expect(counted.notices).toEqual([expect.stringMatching(notice)]);
      },
      900_000,
    );

    test.each([{ precision: 'float32' }, { ...runtime, xla: false }] as const)(
      'does it by products elsewhere: %j',
      async (other) => {
        expect(byCudnn(await counts({ ...attending, runtime: other }))).toEqual([]);
      },
      900_000,
    );
  });

  test('that does not fit the memory ends in one error, which tells how much was wanted', async () => {
    const asked = { ...twoBlocks, batch: 64, runtime: { precision: 'bfloat16' } } satisfies Asked;
    const { exitCode, stderr } = await start('test/gpu/step.ts', [JSON.stringify(asked)], {
      FAKE_GPU_LOG: join(machine.folder, 'step'),
      FAKE_GPU_GB: '1',
      XLA_FLAGS: '--xla_gpu_autotune_level=0',
      ...cache(),
    });
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/could not allocate [\d.]+MiB for a compiled program/);
    expect(stderr).toMatch(/^error: Not enough memory: [^]*\nCompute fewer samples at a time: /m);
  });

  test('that is to be deterministic times no kernels against each other', async () => {
    // The fake GPU takes no time: XLA's autotuner ends a process there.
    const { launches } = await counts(
      { ...twoBlocks, runtime: { precision: 'bfloat16', deterministic: true } },
      { XLA_FLAGS: '' },
    );
    expect(sum(launches)).toBeGreaterThan(0);
  });

  test.each([false, true])(
    'convolves by engines of cuDNN that are deterministic: %s',
    async (deterministic) => {
      const logs = mkdtempSync(join(machine.folder, 'convolution-'));
      const options = JSON.stringify({ deterministic } satisfies RuntimeOptions);
      const { exitCode, stderr } = await start('test/gpu/convolution.ts', [options], {
        FAKE_GPU_LOG: join(logs, 'log'),
        ...cache(),
      });
      expect(exitCode, stderr).toBe(0);
      const lines = readdirSync(logs).flatMap((name) => readFileSync(join(logs, name), 'utf8').split('\n'));
      const engines = lines.flatMap((line) => /^launch cudnn-(\S+)/.exec(line)?.[1] ?? []);
      const kinds = ['convolution', 'convolution-of-filter', 'convolution-of-input'];
      // Without, both engines of the fake are tried and the first is taken; with, none is tried.
      if (deterministic) expect(engines.sort()).toEqual(kinds.flatMap((kind) => repeated(kind, 2)));
      else expect(engines).toEqual(expect.arrayContaining(kinds.map((kind) => `${kind}-nondeterministic`)));
    },
  );
  const repeated = (kind: string, times: number) => new Array<string>(times).fill(`${kind}-deterministic`);

  test('touches no GPU that PIPELINE_DEVICE=cpu hides', async () => {
    const { devices, launches, copied } = await counts(
      { work: 'forward', depth: 1, batch: 1, runtime: {} },
      { PIPELINE_DEVICE: 'cpu' },
    );
    expect([devices, launches, copied]).toEqual(['CPU', {}, {}]);
  });
});
