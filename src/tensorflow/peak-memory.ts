/** Bytes that this process has had in memory at most. Node counts them in KiB. */
export function peakMemoryBytes(): number {
  return process.resourceUsage().maxRSS * 1024;
}
