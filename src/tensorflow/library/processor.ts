import { readFileSync } from 'node:fs';

let kept: { readonly text: string | undefined } | undefined;

/** Text of `/proc/cpuinfo`, where there is one. It is read once: a trace asks for it at every convolution. */
export function cpuinfoText(): string | undefined {
  kept ??= { text: read() };
  return kept.text;
}

function read(): string | undefined {
  try {
    return readFileSync('/proc/cpuinfo', 'utf8');
  } catch {
    return undefined;
  }
}

/**
 * Whether this processor has AVX-512, as far as it says; true for other architectures. With less, oneDNN has no fast
 * way with bfloat16 (measured on a Zen 3: seven times the time of float32), nor with convolutions of a single image.
 */
export function hasAvx512(cpuinfo = cpuinfoText()): boolean {
  return cpuinfo === undefined || !/^flags\s*:/m.test(cpuinfo) || /^flags\s*:.*\bavx512f\b/m.test(cpuinfo);
}
