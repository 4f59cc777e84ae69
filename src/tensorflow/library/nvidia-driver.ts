import { existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

export interface NvidiaDriver {
  /** Such as `550.54.14`, where the kernel module tells it. */
  readonly version: string | undefined;
  /** The file by which the driver was recognised. */
  readonly evidence: string;
}

const libraryFolders = [
  '/usr/lib/x86_64-linux-gnu',
  '/usr/lib64',
  '/usr/lib',
  '/usr/local/nvidia/lib64',
  '/usr/lib/wsl/lib',
  '/run/opengl-driver/lib',
];

/**
 * The NVIDIA driver that a program started here could use. The kernel module alone does not count: a container
 * sees its host's without having a GPU.
 */
export function findNvidiaDriver(env: NodeJS.ProcessEnv = process.env): NvidiaDriver | undefined {
  if (process.platform !== 'linux') return undefined;
  const evidence = [
    ...folders(env.LD_LIBRARY_PATH).map((folder) => join(folder, 'libcuda.so.1')),
    ...libraryFolders.map((folder) => join(folder, 'libcuda.so.1')),
    ...folders(env.PATH).map((folder) => join(folder, 'nvidia-smi')),
    '/dev/nvidiactl',
  ].find((path) => existsSync(path));
  return evidence === undefined ? undefined : { version: kernelModuleVersion(), evidence };
}

function folders(list: string | undefined): string[] {
  return (list ?? '').split(delimiter).filter((folder) => folder !== '');
}

function kernelModuleVersion(): string | undefined {
  try {
    return /Module.*?\s(\d+(?:\.\d+)+)\s/.exec(readFileSync('/proc/driver/nvidia/version', 'utf8'))?.[1];
  } catch {
    return undefined;
  }
}
