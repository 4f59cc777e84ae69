import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { basename, delimiter, dirname, join } from 'node:path';
import { keepOpen, nativeInterface } from '../base/native-interface.js';
import { findNvidiaDriver, type NvidiaDriver } from './install/device-choice.js';
import type { LibraryLocation } from './install/locate.js';
import { pinnedRelease } from './install/pinned-release.js';
import { cacheFolder, setupWith } from './install/platform.js';
import type { RuntimeOptions } from './runtime-options.js';

/** A GPU, as its driver describes it. */
export interface Gpu {
  readonly name: string;
  /** Version of its instructions, such as [9, 0]. */
  readonly computeCapability: readonly [major: number, minor: number];
  readonly bytes: number;
}

export interface GpuProblem {
  readonly message: string;
  readonly remedy: string | undefined;
}

/** The GPUs that a process can use, and what stands in the way. */
export interface GpuFacts {
  readonly driver: NvidiaDriver | undefined;
  /** True when TensorFlow should register GPUs: the build can, there is a driver, and nothing hides them. */
  readonly expected: boolean;
  readonly gpus: readonly Gpu[];
  readonly problems: readonly GpuProblem[];
  /** Notes that are no problem, but worth knowing. */
  readonly notes: readonly string[];
}

/** The CUDA libraries that TensorFlow opens by name, by the folders of their wheels. It uses no GPU without all of them. */
export const cudaLibraries: Readonly<Record<string, readonly string[]>> = {
  cuda_runtime: ['libcudart.so.12'],
  cublas: ['libcublasLt.so.12', 'libcublas.so.12'],
  cufft: ['libcufft.so.11'],
  cusparse: ['libcusparse.so.12'],
  cusolver: ['libcusolver.so.11'],
  cudnn: ['libcudnn.so.9'],
  nccl: ['libnccl.so.2'],
  cuda_cupti: ['libcupti.so.12'],
};

/** The driver's own libraries. TensorFlow gives its CUDA platform up without NVML, and says nothing. */
const driverLibraries: Readonly<Record<string, string>> = {
  'libcuda.so.1':
    'Install NVIDIA’s driver; in a container, start it with the GPUs (`docker run --gpus all`).',
  'libnvidia-ml.so.1':
    'In a container, set NVIDIA_DRIVER_CAPABILITIES=compute,utility; else install NVIDIA’s driver with its utilities.',
};

/** Compilers of kernels, without which the first step fails. */
const compilers = {
  ptxas: join('cuda_nvcc', 'bin', 'ptxas'),
  libdevice: join('cuda_nvcc', 'nvvm', 'libdevice', 'libdevice.10.bc'),
} as const;

/** Drivers of CUDA 12, the first of which is 525: later minor versions run on it. */
const oldestCuda = 12_000;
const oldestDriver = '525.60.13';
/** The build holds machine code for compute capabilities 6.0, 7.0, 8.0, 8.9 and 9.0, and PTX for 9.0. */
const oldestCapability = 6;
const newestMachineCode = 9;
/** Bytes for the driver's cache of compiled PTX: TensorFlow's kernels do not fit into the default gigabyte. */
const compiledCacheBytes = 4 * 2 ** 30;

/**
 * MiB that TensorFlow leaves to the driver and the libraries, by the compute capability from which it does so; on the
 * smallest GPUs a fixed part.
 */
const leftMiB: readonly (readonly [capability: number, left: number])[] = [
  [9, 1800],
  [8, 1536],
  [7, 1050],
  [0, 500],
];
const smallest = { bytes: 2 ** 31, leftMiB: 225 } as const;

/** Bytes of a GPU that TensorFlow takes at most, where nobody else uses it. */
export function usableBytes({ bytes, computeCapability: [major] }: Gpu): number {
  const [, left] = leftMiB.find(([capability]) => major >= capability)!;
  return bytes - 2 ** 20 * (bytes < smallest.bytes ? smallest.leftMiB : left);
}

/** Results of `cuInit` that have a remedy of their own. */
const remedies: Readonly<Record<number, string>> = {
  100: 'Check that the machine has a GPU and that `nvidia-smi` lists it.',
  101: 'Check the numbers in CUDA_VISIBLE_DEVICES.',
  802: 'Start the service nvidia-fabricmanager, which GPUs joined by NVSwitch need.',
  803: 'The driver’s library and its kernel module differ in version: restart the machine after updating the driver.',
  804: 'Remove the libraries for forward compatibility (cuda-compat) from LD_LIBRARY_PATH: this GPU does not support them.',
  999: 'Load the kernel module nvidia-uvm (`nvidia-modprobe -u`), or restart the machine.',
};

/** Setting that hides all GPUs from this process, as it is to be shown; undefined where nothing does. */
export function gpusHiddenBy(
  device: RuntimeOptions['device'],
  env: NodeJS.ProcessEnv = process.env,
): string | undefined {
  if (env.PIPELINE_DEVICE === 'cpu') return 'PIPELINE_DEVICE=cpu';
  if (device === 'cpu') return 'runtime.device: cpu';
  const visible = env.CUDA_VISIBLE_DEVICES?.trim();
  // What follows the first number that names no GPU is not seen.
  return visible === undefined || !/^(-|$)/.test(visible) ? undefined : `CUDA_VISIBLE_DEVICES=${visible}`;
}

/** True when the GPU is asked for: the process then refuses to compute on anything else. */
export function asksForGpu(device: RuntimeOptions['device'], env: NodeJS.ProcessEnv = process.env): boolean {
  return device === 'gpu' || ((device ?? 'auto') === 'auto' && env.PIPELINE_DEVICE === 'gpu');
}

/**
 * Looks at the GPUs through the driver alone: TensorFlow is not loaded, no memory of a GPU is taken. What it finds
 * missing is what TensorFlow would not register a GPU without, or would fail without at the first step.
 */
export function gpuFacts(
  location: LibraryLocation,
  device: RuntimeOptions['device'] = 'auto',
  env: NodeJS.ProcessEnv = process.env,
): GpuFacts {
  const driver = findNvidiaDriver(env);
  if (location.build !== 'cuda' || driver === undefined || gpusHiddenBy(device, env) !== undefined)
    return { driver, expected: false, gpus: [], problems: [], notes: [] };
  const missing = [...missingDriverLibraries(driver), ...missingFiles(location, env)];
  const noDriver = missing.some(({ message }) => message.includes('libcuda.so.1'));
  const { gpus, problems } = noDriver ? { gpus: [], problems: [] } : askDriver(env);
  const newer = gpus.find(({ computeCapability: [major] }) => major > newestMachineCode);
  return {
    driver,
    expected: true,
    gpus,
    problems: [...missing, ...problems],
    notes:
      newer === undefined
        ? []
        : [
            `${newer.name} (compute capability ${newer.computeCapability.join('.')}) is newer than TensorFlow's machine code: the ` +
              'driver compiles its kernels at their first use, which takes minutes once, and keeps them in ~/.nv.',
          ],
  };
}

/**
 * Opens the CUDA libraries where they lie, before TensorFlow asks for them by name: it finds those that are open, and
 * where the paths that its own files record do not lead to all of them, it would use no GPU. Also makes room for the
 * kernels that the driver compiles.
 */
export function openCudaLibraries(location: LibraryLocation): readonly GpuProblem[] {
  process.env.CUDA_CACHE_MAXSIZE ??= String(compiledCacheBytes);
  return libraryFiles(location).flatMap((path) => {
    // The system may have it where this folder has not.
    const reason = existsSync(path) ? keepOpen(path, 'lazy') : undefined;
    return reason === undefined ? [] : [{ message: `${path} cannot be opened: ${reason}.`, remedy: again }];
  });
}

/** Compiled programs that are kept, the latest. */
const keptPrograms = 256;

/**
 * Sets how XLA compiles, unless the user does: products by cuBLAS, since Triton's kernels are tuned by compiling each of
 * them in many ways, which takes minutes; and what is compiled is kept for the next process, apart for each kind of GPU,
 * with its plan of launches: else a process that finds it makes each of Triton's kernels again, only to know its shape.
 * Where results are to be deterministic, XLA compiles no kernel that is not, and times none against each other.
 */
export function configureXla(
  { gpus }: GpuFacts,
  { deterministic = false }: Pick<RuntimeOptions, 'deterministic'>,
  env: NodeJS.ProcessEnv = process.env,
): void {
  const add = (variable: string, flag: string, value: string) => {
    const set = env[variable] ?? '';
    if (!set.includes(`--${flag}`)) env[variable] = `${set} --${flag}=${value}`.trim();
  };
  add('XLA_FLAGS', 'xla_gpu_enable_triton_gemm', 'false');
  add('XLA_FLAGS', 'xla_gpu_experimental_aot_compiled_thunks', 'true');
  if (deterministic) add('XLA_FLAGS', 'xla_gpu_deterministic_ops', 'true');
  const kinds = gpus.map(({ name, computeCapability }) => `${name} ${computeCapability.join('.')}`);
  const key = JSON.stringify([pinnedRelease.version, kinds, env.XLA_FLAGS]);
  const folder = join(cacheFolder(env), 'xla', createHash('sha256').update(key).digest('hex').slice(0, 16));
  try {
    mkdirSync(folder, { recursive: true });
    const byAge = readdirSync(folder)
      .map((name) => ({ path: join(folder, name), changed: statSync(join(folder, name)).mtimeMs }))
      .sort((a, b) => b.changed - a.changed);
    for (const { path } of byAge.slice(keptPrograms)) rmSync(path, { force: true });
  } catch {
    // Without the folder each process compiles anew.
    return;
  }
  add('TF_XLA_FLAGS', 'tf_xla_persistent_cache_directory', folder);
  add('TF_XLA_FLAGS', 'tf_xla_persistent_cache_device_types', 'GPU');
}

const again = `Run \`${setupWith('--gpu --verify')}\`.`;

/** The folder of the `nvidia-*` wheels: TensorFlow's files look for it beside their own. */
function nvidiaFolder({ framework }: LibraryLocation): string {
  return join(dirname(dirname(framework)), 'nvidia');
}

function libraryFiles(location: LibraryLocation): readonly string[] {
  return Object.entries(cudaLibraries).flatMap(([folder, names]) =>
    names.map((name) => join(nvidiaFolder(location), folder, 'lib', name)),
  );
}

/** Opens the driver's libraries, where the loader does not find them beside the file that the driver was known by. */
function missingDriverLibraries({ evidence }: NvidiaDriver): readonly GpuProblem[] {
  return Object.entries(driverLibraries).flatMap(([name, remedy]) => {
    const reason = keepOpen(name, 'lazy');
    if (reason === undefined || keepOpen(join(dirname(evidence), name), 'lazy') === undefined) return [];
    return [{ message: `The driver's library ${name} cannot be opened: ${reason}.`, remedy }];
  });
}

function missingFiles(location: LibraryLocation, env: NodeJS.ProcessEnv): readonly GpuProblem[] {
  const libraries = libraryFiles(location)
    .filter((path) => !existsSync(path) && keepOpen(basename(path), 'lazy') !== undefined)
    .map((path) => ({ message: `The CUDA library ${path} is missing.`, remedy: again }));
  const onPath = (env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, 'ptxas')));
  const tools = Object.entries(compilers)
    .map(([name, path]) => ({ name, path: join(nvidiaFolder(location), path) }))
    .filter(({ name, path }) => !existsSync(path) && !(name === 'ptxas' && onPath))
    .map(({ name, path }) => ({
      message: `${name}, with which kernels are compiled, is missing: ${path}.`,
      remedy: again,
    }));
  return [...libraries, ...tools];
}

/** GPUs by the driver's own account. */
function askDriver(env: NodeJS.ProcessEnv): { gpus: Gpu[]; problems: GpuProblem[] } {
  const cuda = nativeInterface().load('libcuda.so.1');
  const call = (prototype: string, ...args: unknown[]) => cuda.func(prototype)(...args) as number;
  const number = Buffer.alloc(8);
  const fail = (message: string, remedy?: string) => ({ gpus: [], problems: [{ message, remedy }] });

  call('int cuDriverGetVersion(void*)', number);
  const version = number.readInt32LE();
  if (version < oldestCuda)
    return fail(
      `The NVIDIA driver is too old: it knows CUDA ${describeCuda(version)}, and TensorFlow needs ${describeCuda(oldestCuda)}.`,
      `Install the driver ${oldestDriver} or newer.`,
    );
  const started = call('int cuInit(unsigned int)', 0);
  if (started !== 0) {
    const words = [null];
    call('int cuGetErrorString(int, _Out_ const char**)', started, words);
    const names = [null];
    call('int cuGetErrorName(int, _Out_ const char**)', started, names);
    const reason = [...new Set([names[0], words[0]])].filter(Boolean).join(', ');
    const visible = env.CUDA_VISIBLE_DEVICES;
    return fail(
      `The NVIDIA driver does not start (cuInit: ${started}, ${reason})${visible === undefined ? '' : ` with CUDA_VISIBLE_DEVICES=${visible}`}.`,
      remedies[visible !== undefined && started === 100 ? 101 : started] ??
        'Check the driver with `nvidia-smi`.',
    );
  }
  call('int cuDeviceGetCount(void*)', number);
  const gpus = Array.from({ length: number.readInt32LE() }, (_, i) => {
    const attribute = (code: number) => {
      call('int cuDeviceGetAttribute(void*, int, int)', number, code, i);
      return number.readInt32LE();
    };
    const name = Buffer.alloc(256);
    call('int cuDeviceGetName(void*, int, int)', name, name.length, i);
    call('int cuDeviceTotalMem_v2(void*, int)', number, i);
    const bytes = Number(number.readBigUInt64LE());
    return {
      name: name.toString('utf8', 0, name.indexOf(0)),
      // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and MINOR
      computeCapability: [attribute(75), attribute(76)] as const,
      bytes,
    };
  });
  const old = gpus.filter(({ computeCapability: [major] }) => major < oldestCapability);
  return {
    gpus,
    problems: old.map(({ name, computeCapability }) => ({
      message: `${name} has the compute capability ${computeCapability.join('.')}; TensorFlow's kernels need ${oldestCapability}.0 or more.`,
      remedy: 'Exclude it with CUDA_VISIBLE_DEVICES, or compute on the processor (`device: cpu`).',
    })),
  };
}

/** CUDA's version as people write it: 12090 is 12.9. */
function describeCuda(version: number): string {
  return `${Math.floor(version / 1000)}.${Math.floor((version % 1000) / 10)}`;
}
