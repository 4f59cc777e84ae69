import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cudaLibraries } from '../../src/tensorflow/gpus.js';
import { socketAddresses } from '../../src/tensorflow/socket-exchange.js';
import { main } from '../support/tiny-pipeline.js';
import { cudaBuild, fakeMachine, startOn, without } from './fake-gpu.js';

const machine = fakeMachine();

const start = (program: string, args: readonly string[], env?: Readonly<Record<string, string>>) =>
  startOn(machine.gpu, machine.folder, program, args, env);
const doctor = (env?: Readonly<Record<string, string>>) => start(main, ['doctor'], env);

const libraries = Object.entries(cudaLibraries).flatMap(([wheel, names]) =>
  names.map((name) => join(wheel, 'lib', name)),
);

describe('doctor', () => {
  test('sees the GPU, through the CUDA libraries where they lie', async () => {
    const { stdout, stderr, exitCode } = await doctor();
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/Devices +CPU, GPU\n/);
    expect(stdout).toMatch(/GPU 0 +NVIDIA H200 \(fake\), 149 GB, compute capability 9\.0\n/);
    expect(stdout).toMatch(/bfloat16 +yes\n/);
  });

  test.each([
    ...libraries,
    join('cuda_nvcc', 'bin', 'ptxas'),
    join('cuda_nvcc', 'nvvm', 'libdevice', 'libdevice.10.bc'),
    '../driver/libnvidia-ml.so.1',
  ])('fails, naming %s, where it is away', async (path) => {
    const file = join(machine.gpu.nvidia, path);
    const { stdout, stderr, exitCode } = await without(file, () => doctor());
    expect([exitCode, stderr]).toEqual([1, '']);
    expect(stdout).toMatch(/Devices +CPU\n/);
    expect(stdout.slice(stdout.indexOf('missing:'))).toContain(path.slice(path.lastIndexOf('/') + 1));
  });

  test.each([
    [
      'a driver too old',
      { FAKE_GPU_DRIVER: '11040' },
      /driver is too old: it knows CUDA 11\.4.*12\.0.*\n.*525/,
    ],
    ['cuInit without a GPU', { FAKE_GPU_COUNT: '0' }, /cuInit: 100, CUDA_ERROR_NO_DEVICE.*\n.*nvidia-smi/],
    ['cuInit of mixed versions', { FAKE_GPU_INIT: '803' }, /cuInit: 803.*\n.*restart/],
    ['a GPU too old', { FAKE_GPU_CC: '52' }, /compute capability 5\.2.*6\.0/],
    ['numbers that name no GPU', { CUDA_VISIBLE_DEVICES: '7' }, /CUDA_VISIBLE_DEVICES=7/],
  ])('fails, with what is to be done: %s', async (_, env, expected) => {
    const { stdout, exitCode } = await doctor(env);
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/Devices +CPU\n/);
    expect(stdout).toMatch(expected);
  });

  test('says of newer GPUs that the driver compiles, and of older ones that bfloat16 is float32', async () => {
    const newer = await doctor({ FAKE_GPU_CC: '120' });
    expect([newer.exitCode, newer.stdout]).toEqual([0, expect.stringMatching(/12\.0\) is newer.*first use/)]);
    const older = await doctor({ FAKE_GPU_CC: '75' });
    expect([older.exitCode, older.stdout]).toEqual([0, expect.stringMatching(/bfloat16 +no: .*float16/)]);
  });

  test.each([{ PIPELINE_DEVICE: 'cpu' }, { CUDA_VISIBLE_DEVICES: '' }, { CUDA_VISIBLE_DEVICES: '-1' }])(
    'sees no GPU where it is hidden: %j',
    async (env) => {
      const { stdout, stderr, exitCode } = await doctor(env);
      expect([exitCode, stderr]).toEqual([0, '']);
      expect(stdout).toMatch(/Devices +CPU\n/);
    },
  );

  test('takes the CUDA build for a CPU build where there is no driver, and no line is printed', async () => {
    const { stdout, stderr, exitCode } = await doctor({ LD_LIBRARY_PATH: '' });
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/Devices +CPU\n/);
  });
});

describe('two workers on two GPUs', () => {
  /** What both launched and copied to the host in so many steps. */
  async function traced(steps: number) {
    const sockets = mkdtempSync(join(machine.folder, 'sockets-'));
    const addresses = socketAddresses(sockets, 2);
    const workers = addresses.map((_, rank) =>
      start('test/gpu/worker.ts', [String(steps), String(rank), ...addresses], {
        FAKE_GPU_LOG: join(sockets, 'trace'),
        XLA_FLAGS: '--xla_gpu_autotune_level=0',
        PIPELINE_CACHE: join(machine.folder, 'cache'),
        FAKE_GPU_COUNT: '2',
        CUDA_VISIBLE_DEVICES: String(rank),
      }),
    );
    for (const { exitCode, stdout, stderr } of await Promise.all(workers)) {
      expect(exitCode, stderr).toBe(0);
      expect(stdout).toBe('CPU,GPU');
    }
    const lines = readdirSync(sockets)
      .filter((name) => name.startsWith('trace.'))
      .flatMap((name) => readFileSync(join(sockets, name), 'utf8').split('\n'));
    const toHost = lines.flatMap((line) => /^copy device-to-host (\d+)/.exec(line)?.[1] ?? []);
    return {
      reductions: lines.filter((line) => line.startsWith('launch ncclAllReduce')).length,
      bytesToHost: toHost.reduce((sum, bytes) => sum + Number(bytes), 0),
    };
  }

  test('reduce gradients by NCCL: at most 64 bytes of a step go to the host', async () => {
    const [few, many] = [await traced(2), await traced(6)];
    const workersSteps = 2 * 4;
    const each = (key: keyof typeof few) => (many[key] - few[key]) / workersSteps;
    // 3.7 million gradients are one portion of 15 MB; what is reported goes along.
    expect(each('reductions')).toBe(1);
    expect(each('bytesToHost')).toBeGreaterThan(0);
    expect(each('bytesToHost')).toBeLessThanOrEqual(64);
  });
});

describe('the benchmark for the day a GPU is there', () => {
  test('measures everything, within its time', async () => {
    const options = [
      '--models',
      'SiT-S/2:2',
      '--blocks',
      '1',
      '--latent',
      '8',
      '--mediators',
      '4',
      '--seconds',
      '900',
      '--json',
    ];
    const { exitCode, stdout, stderr } = await start('tools/bench/gpu.ts', options, {
      PIPELINE_CACHE: join(machine.folder, 'cache'),
      // XLA's autotuner times kernels, and ends a process where they take no time.
      XLA_FLAGS: '--xla_gpu_autotune_level=0',
    });
    expect(exitCode, stdout + stderr).toBe(0);
    const rows = stdout.split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);
    const failed = rows.filter(({ note }) => /^(?:failed|not done|no time)/.test(String(note)));
    expect(failed).toEqual([]);
    const noteOf = (what: string) => String(rows.find((row) => String(row.what).startsWith(what))?.note);
    expect(noteOf('devices')).toBe('CPU, GPU');
    for (const precision of ['float32', 'bfloat16'])
      expect(noteOf(`product of 512 × 512, ${precision}`)).toMatch(/ TFLOP\/s$/);
    for (const way of ['processor', 'GPU', 'GPU, XLA'])
      expect(noteOf(`first loss of SiT-S/2, batch 8, ${way}`)).not.toBe('undefined');
    for (const setting of ['float32 (TF32)', 'bfloat16', 'float32 (TF32), XLA', 'bfloat16, XLA'])
      for (const work of ['forward', 'train step'])
        expect(rows).toContainEqual(
          expect.objectContaining({
            what: `SiT-S/2, batch 2, ${setting}: ${work}`,
            imagesPerSecond: expect.any(Number) as number,
          }),
        );
  }, 900_000);

  test('ends at once where TensorFlow sees no GPU', async () => {
    const { exitCode, stderr } = await start('tools/bench/gpu.ts', [], { PIPELINE_DEVICE: 'cpu' });
    expect([exitCode, stderr]).toEqual([1, 'TensorFlow sees no GPU: `npx pipeline doctor` tells why.']);
  });

  test('goes on where time runs out', async () => {
    const { exitCode, stdout } = await start('tools/bench/gpu.ts', ['--seconds', '0']);
    expect(exitCode).toBe(0);
    expect(stdout).toContain('no time was left');
  });
});

describe('the CUDA build as it was unpacked', () => {
  const dynamic = (path: string) => execFileSync('readelf', ['-d', path], { encoding: 'utf8' });
  const all = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, found]) => found!);
  /** Folders that a file's own record leads to, under `nvidia/`. */
  const searched = (path: string) =>
    new Set(
      all(dynamic(path), /R(?:UN)?PATH.*\[(.*)\]/g).flatMap((list) =>
        all(list, /(?:nvidia|\.\.)\/(\w+)\/lib/g),
      ),
    );

  test('holds every library that TensorFlow opens by name', () => {
    for (const path of libraries)
      expect(readdirSync(join(cudaBuild!.directory, 'nvidia', path, '..'))).toContain(path.split('/').at(-1));
  });

  test('does not lead TensorFlow to cuSOLVER, which is why ours are opened by their paths', () => {
    const known = searched(cudaBuild!.framework);
    expect(Object.keys(cudaLibraries).filter((wheel) => !known.has(wheel))).toEqual(['cusolver']);
  });

  test.each(libraries)(
    '%s finds what it needs by itself, or among those that are opened before it',
    (path) => {
      const file = join(cudaBuild!.directory, 'nvidia', path);
      const there = [...searched(file), path.split('/')[0]!].flatMap((wheel) =>
        readdirSync(join(cudaBuild!.directory, 'nvidia', wheel, 'lib')),
      );
      const before = libraries.slice(0, libraries.indexOf(path)).map((each) => each.split('/').at(-1)!);
      const ofTheSystem = /^(?:lib(?:c|m|dl|rt|pthread|util|gcc_s|stdc\+\+)\.so|ld-linux)/;
      const needed = all(dynamic(file), /NEEDED.*\[(.*)\]/g).filter((name) => !ofTheSystem.test(name));
      expect(needed.filter((name) => !there.includes(name) && !before.includes(name))).toEqual([]);
    },
  );
});
