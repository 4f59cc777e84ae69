/** Most milliseconds by which the clocks of machines that share a disk differ. */
const mostApart = 60_000;

/** True for a time that is yet to come: the clock was ahead when it was noted, and has been set back. */
export function isYetToCome(time: string, now = Date.now()): boolean {
  return Date.parse(time) > now + mostApart;
}

/** True for a time since another, in ISO 8601. One that is yet to come may be from before. */
export function isSince(time: string, since: string): boolean {
  return time >= since && !isYetToCome(time);
}
