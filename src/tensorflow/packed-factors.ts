import type { Output, Pointer } from './c-api.js';

/** Bytes that all packed factors of a session may take: each operation keeps its own. */
const mostBytes = 256 * 2 ** 20;

/**
 * Factors of a session's products that never change: oneDNN may keep them in the order in which it multiplies, rather
 * than bring them into it at each call, which takes 7 % of a forward pass of SiT-S/2 at batch 8. Results are the same,
 * bit by bit.
 */
export class PackedFactors {
  private readonly constants = new Set<Pointer>();
  private left = mostBytes;

  /** Notes that an operation reads what never changes. */
  add({ operation }: Output): void {
    this.constants.add(operation);
  }

  has({ operation }: Output): boolean {
    return this.constants.has(operation);
  }

  /** True when a new operation may keep its own copy of a factor: it is a constant, and there is room. */
  take({ operation }: Output, bytes: number): boolean {
    if (!this.constants.has(operation) || bytes > this.left) return false;
    this.left -= bytes;
    return true;
  }
}
