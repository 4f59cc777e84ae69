import { UserError } from '../../errors.js';
import { cpuinfoText } from './processor.js';
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

/** What decides whether the published libraries run on a machine. */
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

function glibcVersion(): string | undefined {
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return report.header?.glibcVersionRuntime;
}
