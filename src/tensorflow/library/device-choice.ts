import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../../errors.js';
import { cacheFolder } from './cache-folder.js';
import { findNvidiaDriver } from './nvidia-driver.js';
import { findBuild, type Build, type Platform, type Release } from './release.js';

export type Device = 'auto' | 'cpu' | 'gpu';

export interface DeviceChoice {
  readonly device: Device;
  /** Whether a person asked for this device, by an option, the environment or an earlier set-up. */
  readonly asked: boolean;
  /** The build to fetch. */
  readonly build: Build;
  /** Why, to be shown: completes "the CPU build, because …". */
  readonly reason: string;
}

/** Name of the file in the cache that holds the device asked for at the last set-up. */
export const rememberedDeviceFile = 'device';

/**
 * Which build serves this machine: what was asked for, otherwise CUDA where there is an NVIDIA driver.
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
      message: `A GPU is asked for (${reason}), but TensorFlow publishes no CUDA library for ${platform}.`,
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
  try {
    const text = readFileSync(join(cacheFolder(env), rememberedDeviceFile), 'utf8').trim();
    return isDevice(text) ? text : undefined;
  } catch {
    return undefined;
  }
}

function isDevice(text: string): text is Device {
  return text === 'auto' || text === 'cpu' || text === 'gpu';
}
