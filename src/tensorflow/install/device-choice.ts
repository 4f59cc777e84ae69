import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { isAbsent } from '../../base/existence.js';
import { UserError } from '../../base/errors.js';
import { readWholeTextSync } from '../../base/files.js';
import { DamagedRecord, tellDamaged } from '../../base/sealed.js';
import { cacheFolder } from './platform.js';
import { type Build, findBuild, type Platform, type Release } from './release.js';

export type Device = 'auto' | 'cpu' | 'gpu';

interface DeviceChoice {
  readonly device: Device;
  /** True when a person asked for this device, by an option, the environment or an earlier set-up. */
  readonly asked: boolean;
  /** The build to fetch. */
  readonly build: Build;
  /** Reason, to be shown: completes "the CPU build, because …". */
  readonly reason: string;
}

/** Name of the file in the cache that holds the device asked for at the last set-up. */
export const rememberedDeviceFile = 'device';

/**
 * Chooses the build for this machine: the one asked for, otherwise CUDA where there is an NVIDIA driver.
 *
 * @throws UserError `device-unknown` for a bad `PIPELINE_DEVICE`; `gpu-build-missing` when a GPU is asked for on a platform that
 *   has no CUDA build.
 */
export function chooseDevice(
  release: Release,
  platform: Platform,
  option: Device | undefined,
  env: NodeJS.ProcessEnv,
): DeviceChoice {
  const { device, reason } = askedDevice(option, env);
  const asked = device !== 'auto';
  const hasCuda = findBuild(release, 'cuda', platform) !== undefined;
  if (device === 'cpu') return { device, asked, build: 'cpu', reason };
  if (device === 'gpu') {
    if (hasCuda) return { device, asked, build: 'cuda', reason };
    throw new UserError({
      code: 'gpu-build-missing',
      message: `A GPU was requested (${reason}), but TensorFlow publishes no CUDA library for ${platform}.`,
      remedy: 'Leave the option out, or use Linux on x86-64.',
    });
  }
  if (!hasCuda) return { device, asked, build: 'cpu', reason: `it is the only one for ${platform}` };
  const driver = findNvidiaDriver(env);
  return driver === undefined
    ? { device, asked, build: 'cpu', reason: 'no NVIDIA driver was found' }
    : { device, asked, build: 'cuda', reason: `an NVIDIA driver was found (${driver.evidence})` };
}

function askedDevice(option: Device | undefined, env: NodeJS.ProcessEnv): { device: Device; reason: string } {
  if (option !== undefined) return { device: option, reason: `--${option}` };
  const fromEnv = env.PIPELINE_DEVICE;
  if (fromEnv) {
    if (!isDevice(fromEnv)) {
      throw new UserError({
        code: 'device-unknown',
        usage: true,
        message: `PIPELINE_DEVICE is "${fromEnv}": expected auto, cpu or gpu.`,
        remedy: 'Correct it, or unset it.',
      });
    }
    return { device: fromEnv, reason: `PIPELINE_DEVICE=${fromEnv}` };
  }
  const remembered = rememberedDevice(env);
  return { device: remembered ?? 'auto', reason: `an earlier set-up asked for it` };
}

function rememberedDevice(env: NodeJS.ProcessEnv): Device | undefined {
  const path = join(cacheFolder(env), rememberedDeviceFile);
  try {
    const text = readWholeTextSync(path).trim();
    if (isDevice(text)) return text;
    throw new DamagedRecord('it names no device');
  } catch (error) {
    if (!isAbsent(error))
      tellDamaged(path, error, 'the device is chosen by what is there; `npm run setup` writes it again');
    return undefined;
  }
}

function isDevice(text: string): text is Device {
  return text === 'auto' || text === 'cpu' || text === 'gpu';
}

export interface NvidiaDriver {
  /** Version of the driver, such as `550.54.14`, where the kernel module tells it. */
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
    return /Module.*?\s(\d+(?:\.\d+)+)\s/.exec(readWholeTextSync('/proc/driver/nvidia/version'))?.[1];
  } catch {
    return undefined;
  }
}
