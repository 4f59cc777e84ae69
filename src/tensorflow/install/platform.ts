import { homedir } from 'node:os';
import { join, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UserError } from '../../base/errors.js';
import { readWholeTextSync } from '../../base/files.js';
import type { Platform } from './release.js';

const platforms: readonly Platform[] = ['linux-x64', 'linux-arm64', 'darwin-arm64'];
const oldestGlibc = [2, 27] as const;

/** The platform of this process, or undefined where TensorFlow publishes no library for it. */
export function currentPlatform(): Platform | undefined {
  return platforms.find((each) => each === `${process.platform}-${process.arch}`);
}

/**
 * The platform of this process.
 *
 * @throws UserError `platform-unsupported` where TensorFlow publishes no library for it.
 */
export function requirePlatform(): Platform {
  const platform = currentPlatform();
  if (platform !== undefined) return platform;
  throw new UserError({
    code: 'platform-unsupported',
    message:
      `TensorFlow publishes no library for ${process.platform} on ${process.arch}: ` +
      'expected Linux on x86-64 or ARM64, or macOS on Apple silicon.',
    remedy:
      process.platform === 'win32'
        ? 'Use the Windows Subsystem for Linux, or a Linux machine.'
        : 'Use another machine, or build TensorFlow yourself and set PIPELINE_TENSORFLOW to the folder of its libraries.',
  });
}

/** Facts that decide whether the published libraries run on a machine. */
export interface Machine {
  readonly platform: Platform;
  /** Text of `/proc/cpuinfo`, where there is one. */
  readonly cpuinfo: string | undefined;
  /** Version of the GNU C library, such as `2.36`; undefined where another C library serves. */
  readonly glibc: string | undefined;
}

export function thisMachine(platform: Platform): Machine {
  return { platform, cpuinfo: cpuinfoText(), glibc: glibcVersion() };
}

/**
 * Refuses a machine on which the library would not load, or would die of an illegal instruction.
 *
 * @throws UserError `cpu-without-avx`, `c-library-unsupported`.
 */
export function checkMachine({ platform, cpuinfo, glibc }: Machine): void {
  if (platform === 'linux-x64' && cpuinfo !== undefined && !/^flags\s*:.*\bavx\b/m.test(cpuinfo)) {
    throw new UserError({
      code: 'cpu-without-avx',
      message:
        'TensorFlow needs a processor with AVX instructions; /proc/cpuinfo of this machine lists none.',
      remedy:
        'Use a machine made after 2011, or let the virtual machine pass the processor of its host through (QEMU: -cpu host).',
    });
  }
  if (platform.startsWith('linux-') && !isRecentEnough(glibc)) {
    throw new UserError({
      code: 'c-library-unsupported',
      message:
        `TensorFlow needs the GNU C library ${oldestGlibc.join('.')} or newer; ` +
        `this system has ${glibc ?? 'another C library (musl?)'}.`,
      remedy: 'Use a distribution such as Debian 10, Ubuntu 18.10, RHEL 9 or newer; Alpine does not work.',
    });
  }
}

function isRecentEnough(glibc: string | undefined): boolean {
  const [major = 0, minor = 0] = (glibc ?? '').split('.').map(Number);
  return major > oldestGlibc[0] || (major === oldestGlibc[0] && minor >= oldestGlibc[1]);
}

let reported: { readonly glibc: string | undefined } | undefined;

/** It is asked for once: a report takes Node 5 ms. */
function glibcVersion(): string | undefined {
  if (reported === undefined) {
    const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
    reported = { glibc: report.header?.glibcVersionRuntime };
  }
  return reported.glibc;
}

let kept: { readonly text: string | undefined } | undefined;

/** Text of `/proc/cpuinfo`, where there is one. It is read once: a trace asks for it at every convolution. */
export function cpuinfoText(): string | undefined {
  kept ??= { text: read() };
  return kept.text;
}

function read(): string | undefined {
  try {
    return readWholeTextSync('/proc/cpuinfo');
  } catch {
    return undefined;
  }
}

/**
 * True when this processor reports AVX-512; true for other architectures. With less, oneDNN has no fast way with
 * bfloat16 (measured on a Zen 3: seven times the time of float32), nor with convolutions of a single image.
 */
export function hasAvx512(cpuinfo = cpuinfoText()): boolean {
  return cpuinfo === undefined || !/^flags\s*:/m.test(cpuinfo) || /^flags\s*:.*\bavx512f\b/m.test(cpuinfo);
}

/**
 * The per-user folder for what was fetched once and serves every checkout: `PIPELINE_CACHE`, or the
 * platform's own place for caches. It need not exist.
 */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env.PIPELINE_CACHE) return resolve(env.PIPELINE_CACHE);
  if (env.XDG_CACHE_HOME) return resolve(env.XDG_CACHE_HOME, 'mediator-sit');
  const home = env.HOME ?? homedir();
  return process.platform === 'darwin'
    ? join(home, 'Library', 'Caches', 'mediator-sit')
    : join(home, '.cache', 'mediator-sit');
}

const installed = fileURLToPath(import.meta.url).includes(`${sep}node_modules${sep}`);

/** Command that fetches the native library: in a clone of this project, or where it is installed as a package. */
export const setupCommand = installed ? 'npx pipeline-setup' : 'npm run setup';

/** The same with an option. */
export const setupWith = (option: string): string => `${setupCommand}${installed ? '' : ' --'} ${option}`;
