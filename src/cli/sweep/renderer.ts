import type { TimedSweepEvent } from '../../pipeline/sweep/index.js';

/** Shows a sweep while it happens. */
export interface SweepRenderer {
  show(event: TimedSweepEvent): void;
  /** The user has asked to stop; the trials are saving what they must. */
  stopping(): void;
  /** Leaves the output in order, whatever happened. */
  end(): void;
}
