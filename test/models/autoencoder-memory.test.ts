import { describe, expect, it } from 'vitest';
import { computeBytes, defaultMemoryMiB, partition } from '../../src/models/autoencoder-kl/memory.js';

const stableDiffusion = {
  ...{ imageChannels: 3, latentChannels: 4, layersPerBlock: 2, normGroups: 32, patchSize: 1 },
  channels: [128, 256, 512, 512],
};
const small = { ...stableDiffusion, channels: [8, 16], normGroups: 4 };

describe('an autoencoder within a memory bound', () => {
  it('computes small images many at once, and large ones in tiles', () => {
    expect(partition(small, 'decode', [16, 16], defaultMemoryMiB).atOnce).toBeGreaterThan(100);
    const { atOnce, tile } = partition(stableDiffusion, 'decode', [128, 128], defaultMemoryMiB);
    expect(atOnce).toBe(1);
    expect(tile! % 4).toBe(0);
    expect(computeBytes(stableDiffusion, 'decode', tile! ** 2)).toBeLessThanOrEqual(
      defaultMemoryMiB * 2 ** 20,
    );
    expect(computeBytes(stableDiffusion, 'decode', (tile! + 4) ** 2)).toBeGreaterThan(
      defaultMemoryMiB * 2 ** 20,
    );
  });

  it('does not divide what fits', () => {
    expect(partition(stableDiffusion, 'encode', [32, 32], defaultMemoryMiB).tile).toBeUndefined();
    expect(partition(stableDiffusion, 'decode', [128, 128], 1 << 20)).not.toHaveProperty('tile');
  });

  it('has tiles that still see something, whatever the bound', () => {
    expect(partition(stableDiffusion, 'decode', [64, 64], 16).tile).toBe(16);
  });
});
