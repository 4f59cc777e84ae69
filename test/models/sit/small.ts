import type { SiTConfig } from '../../../src/models/sit/config.js';

/** SiT-S/2 at 256 px, its blocks with so many mediators. */
export const small = (mediators: number): SiTConfig => ({
  latentSize: 32,
  channels: 4,
  patchSize: 2,
  hiddenSize: 384,
  depth: 12,
  heads: 6,
  classes: 1000,
  mediators: new Array<number>(12).fill(mediators),
  labelDropout: 0.1,
});
