/**
 * The time that a device computes, as a part of all time: what is missing, it waited for input, or for a checkpoint to
 * be written. Counts from the end of the first piece of work, for which everything is prepared.
 */
export class BusyTime {
  private start: number | undefined;
  private busyMs = 0;

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** Does a piece of the device's work. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    const begun = this.now();
    const result = await work();
    const end = this.now();
    if (this.start === undefined) this.start = end;
    else this.busyMs += end - begun;
    return result;
  }

  /** The part of the time that the device was idle, from 0 to 1, so far; undefined before the second piece of work. */
  get idleShare(): number | undefined {
    if (this.start === undefined || this.busyMs === 0) return undefined;
    return 1 - this.busyMs / (this.now() - this.start);
  }
}
