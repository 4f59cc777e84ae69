import type { TimedRunEvent } from '../../pipeline/run/events.js';

/** Shows a run while it happens. */
export interface Renderer {
  show(event: TimedRunEvent): void;
  /** The user has asked to stop; the run is saving what it must. */
  stopping(): void;
  /** Leaves the output in order, whatever happened. */
  end(): void;
}
