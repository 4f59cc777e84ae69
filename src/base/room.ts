/** Memory that is shared out: whoever wants a part waits until there is room for it, each in turn. */
export class Room {
  private used = 0;
  private readonly waiting: { readonly bytes: number; readonly enter: () => void }[] = [];

  /** @param bytes that are shared out; a larger part is given to one that is alone. */
  constructor(private readonly bytes: number) {}

  /** Calls `use` once there is room for some bytes, and keeps it until that ends. */
  async with<T>(bytes: number, use: () => Promise<T>): Promise<T> {
    if (this.waiting.length > 0 || !this.fits(bytes))
      await new Promise<void>((enter) => this.waiting.push({ bytes, enter }));
    else this.used += bytes;
    try {
      return await use();
    } finally {
      this.used -= bytes;
      this.admit();
    }
  }

  private fits(bytes: number): boolean {
    return this.used === 0 || this.used + bytes <= this.bytes;
  }

  private admit(): void {
    for (let next = this.waiting[0]; next && this.fits(next.bytes); next = this.waiting[0]) {
      this.used += next.bytes;
      this.waiting.shift()!.enter();
    }
  }
}

/**
 * Memory for one thing after another, each in place of the last.
 *
 * @param most bytes that are kept; what is larger gets memory of its own
 */
export function reusedMemory(most: number): (bytes: number) => Buffer {
  let kept = Buffer.alloc(0);
  return (bytes) => {
    if (bytes > most) return Buffer.from(new ArrayBuffer(bytes));
    if (kept.length < bytes) kept = Buffer.from(new ArrayBuffer(bytes));
    return kept.subarray(0, bytes);
  };
}
