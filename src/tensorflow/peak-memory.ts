import { writeFileSync } from 'node:fs';

/** Bytes that this process has had in memory at most, since it started or `forgetPeakMemory`. Node counts them in KiB. */
export function peakMemoryBytes(): number {
  return process.resourceUsage().maxRSS * 1024;
}

/** Where Linux has a process forget the most memory that it had, if `5` is written there. */
const clearFile = '/proc/self/clear_refs';

/** Counts peak memory from now on, where the system lets a process do that; elsewhere it remains that since its start. */
export function forgetPeakMemory(): void {
  try {
    writeFileSync(clearFile, '5');
  } catch {
    // Not Linux, or a container that keeps it from us.
  }
}
