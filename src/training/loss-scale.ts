/** State of a loss scale, as JSON. */
export interface LossScaleState {
  readonly scale: number;
  /** Finite steps since the scale last changed. */
  readonly streak: number;
}

const first = 2 ** 15;
const largest = 2 ** 24;
/** Finite steps after which a larger scale is tried. */
const growthSteps = 2000;

/**
 * The factor by which a loss is multiplied, and its gradients divided, so that small gradients do not vanish in float16:
 * halved after each step whose gradients overflow, doubled after 2000 in a row whose do not. Powers of two, which
 * round nothing.
 *
 * Source: Micikevicius et al., "Mixed precision training", arXiv 1710.03740, section 3.2
 */
export class LossScale {
  constructor(private state: LossScaleState = { scale: first, streak: 0 }) {}

  get scale(): number {
    return this.state.scale;
  }

  /** Learns whether a step's gradients were finite. */
  update(finite: boolean): void {
    const { scale, streak } = this.state;
    if (!finite) this.state = { scale: Math.max(1, scale / 2), streak: 0 };
    else if (streak + 1 < growthSteps) this.state = { scale, streak: streak + 1 };
    else this.state = { scale: Math.min(largest, scale * 2), streak: 0 };
  }

  toJSON(): LossScaleState {
    return this.state;
  }
}
