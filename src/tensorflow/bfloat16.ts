import { readFileSync } from 'node:fs';

/**
 * Whether this processor computes matrix products in bfloat16. oneDNN does so with AVX-512 and later; without it
 * TensorFlow's own bfloat16 takes several times as long as float32 (measured: 7 times, on a Zen 3).
 */
export function computesBfloat16(cpuinfo = readCpuinfo()): boolean {
  return cpuinfo === undefined || !/^flags\s*:/m.test(cpuinfo) || /^flags\s*:.*\bavx512f\b/m.test(cpuinfo);
}

function readCpuinfo(): string | undefined {
  try {
    return readFileSync('/proc/cpuinfo', 'utf8');
  } catch {
    return undefined;
  }
}
