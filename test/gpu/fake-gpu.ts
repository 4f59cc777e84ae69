import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { startCommand } from '../support/tiny-pipeline.js';
import { cudaLibraries } from '../../src/tensorflow/gpus.js';
import { locateBuild } from '../../src/tensorflow/install/locate.js';
import { pinnedRelease } from '../../src/tensorflow/install/pinned-release.js';

const source = join(dirname(fileURLToPath(import.meta.url)), 'fake-gpu.c');

/** The CUDA build of the pinned release, where it is in the cache. */
export const cudaBuild = locateBuild(pinnedRelease, 'cuda', 'linux-x64', process.env);

/** Why a fake GPU cannot be built here; undefined where it can. */
function whyNotBuilt(): string | undefined {
  if (cudaBuild === undefined) return 'the CUDA build is not in the cache: npm run setup -- --gpu';
  try {
    execFileSync('cc', ['--version'], { stdio: 'ignore' });
    execFileSync('nm', ['--version'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'there is no C compiler (cc, nm)';
  }
}

/** A machine with a fake GPU, as folders. */
export interface FakeGpu {
  /** For `LD_LIBRARY_PATH`: libraries of the driver. */
  readonly driver: string;
  /** For `PIPELINE_TENSORFLOW`: the real TensorFlow, with fake CUDA libraries beside it. */
  readonly tensorflow: string;
  /** The fake CUDA libraries, one a file, as TensorFlow looks for them. */
  readonly nvidia: string;
}

/** A machine with a fake GPU for the tests of a file, which skip where there can be none. */
export interface FakeMachine {
  readonly gpu: FakeGpu;
  /** A folder that is gone after the tests. */
  readonly folder: string;
}

/** Makes the machine before a file's tests; its values are there once they run. */
export function fakeMachine(): FakeMachine {
  const reason = whyNotBuilt();
  const machine = {} as { gpu: FakeGpu; folder: string };
  beforeAll(() => {
    machine.folder = mkdtempSync(join(tmpdir(), 'fake-gpu-'));
    if (reason === undefined) machine.gpu = buildFakeGpu(machine.folder);
  }, 300_000);
  afterAll(() => {
    rmSync(machine.folder, { recursive: true });
  });
  beforeEach(({ skip }) => {
    if (reason !== undefined) skip(reason);
  });
  return machine;
}

/** Runs a command of ours on a machine with a fake GPU, in `folder`, with the runs there. */
export async function startOn(
  fake: FakeGpu,
  folder: string,
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ exitCode: number | undefined; stdout: string; stderr: string }> {
  const machine = {
    LD_LIBRARY_PATH: fake.driver,
    PIPELINE_TENSORFLOW: fake.tensorflow,
    PIPELINE_RUNS: folder,
  };
  const { exitCode, stdout, stderr } = await startCommand(program, args, folder, { ...machine, ...env });
  return { exitCode, stdout, stderr };
}

/** Builds the fake driver and CUDA libraries in `folder`: every function that the real ones export, most of which do nothing. */
function buildFakeGpu(folder: string): FakeGpu {
  const real = join(cudaBuild!.directory, 'nvidia');
  const [driver, tensorflow, nvidia] = ['driver', 'tensorflow', 'nvidia'].map((name) => join(folder, name));
  const machine = { driver: driver!, tensorflow: tensorflow!, nvidia: nvidia! };
  for (const each of Object.values(machine)) mkdirSync(each, { recursive: true });
  for (const path of [cudaBuild!.cc, cudaBuild!.framework])
    symlinkSync(path, join(machine.tensorflow, path.slice(path.lastIndexOf('/') + 1)));
  for (const tool of ['bin/ptxas', 'nvvm/libdevice/libdevice.10.bc']) {
    const path = join(machine.nvidia, 'cuda_nvcc', tool);
    mkdirSync(dirname(path), { recursive: true });
    symlinkSync(join(real, 'cuda_nvcc', tool), path);
  }

  // TensorFlow asks the driver's libraries for these names.
  const asked =
    readFileSync(cudaBuild!.framework, 'latin1').match(/(?<=\0)(?:cu|nvml)[A-Z]\w{3,}(?=\0)/g) ?? [];
  const libcuda = join(machine.driver, 'libcuda.so.1');
  buildLibrary(
    libcuda,
    'CUDA',
    asked.filter((name) => !name.startsWith('nvml')),
  );
  buildLibrary(
    join(machine.driver, 'libnvidia-ml.so.1'),
    'NVML',
    asked.filter((name) => name.startsWith('nvml')),
    libcuda,
  );
  for (const [wheel, names] of Object.entries(cudaLibraries)) {
    const lib = join(machine.nvidia, wheel, 'lib');
    mkdirSync(lib, { recursive: true });
    for (const name of names) {
      const kind = /^lib(\w+)\.so/.exec(name)![1]!.toUpperCase();
      // What libcudnn.so.9 passes on is in libraries of its own.
      const exporters = kind === 'CUDNN' ? readdirSync(join(real, wheel, 'lib')) : [name];
      const exported = exporters.flatMap((each) => exportsOf(join(real, wheel, 'lib', each)));
      buildLibrary(join(lib, name), kind, exported, libcuda);
    }
  }
  return machine;
}

/** Does `work` while a file is not there. */
export async function without<T>(path: string, work: () => Promise<T>): Promise<T> {
  renameSync(path, `${path}.away`);
  try {
    return await work();
  } finally {
    renameSync(`${path}.away`, path);
  }
}

function buildLibrary(path: string, kind: string, names: readonly string[], ...linked: string[]): void {
  const soname = path.slice(path.lastIndexOf('/') + 1);
  const own = `${path}.o`;
  const flags = ['-fPIC', '-O1', '-w', '-fno-builtin'];
  execFileSync('cc', [...flags, `-DLIBRARY_${kind}`, '-c', source, '-o', own]);
  const written = new Set(exportsOf(own, []));
  const rest = [...new Set(names)].filter((name) => !written.has(name));
  const generic = `${path}.c`;
  writeFileSync(generic, rest.map((name) => `long ${name}(void) { return 0; }\n`).join(''));
  execFileSync('cc', [
    ...flags,
    '-shared',
    `-Wl,-soname,${soname}`,
    own,
    generic,
    ...linked,
    '-ldl',
    '-lpthread',
    '-o',
    path,
  ]);
}

/** Names of CUDA's functions that a library or object file exports. */
function exportsOf(path: string, options: readonly string[] = ['-D']): string[] {
  const lines = execFileSync('nm', [...options, '--defined-only', path], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  return lines
    .split('\n')
    .flatMap((line) => /^\S+ [TW] (?<name>[^@\s]+)/.exec(line)?.groups?.name ?? [])
    .filter((name) => /^(?:cu|nccl|__cuda|nv|fake)/.test(name));
}
