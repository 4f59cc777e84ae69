import type { InterpolantName } from '../names.js';
import { gvp } from './gvp.js';
import type { Interpolant } from './interpolant.js';
import { linear } from './linear.js';
import { vp } from './vp.js';

export type { Interpolant } from './interpolant.js';

/** Every interpolant by name. */
export const interpolants: Readonly<Record<InterpolantName, Interpolant>> = { linear, gvp, vp };
