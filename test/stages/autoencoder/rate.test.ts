import { expect, it } from 'vitest';
import type { AutoencoderConfig } from '../../../src/models/autoencoder-kl/config.js';
import { autoencoderParameters } from '../../../src/models/autoencoder-kl/parameters.js';
import { encodingOperations } from '../../../src/stages/autoencoder/rate.js';

const stableDiffusion: AutoencoderConfig = {
  ...{ imageChannels: 3, latentChannels: 4, channels: [128, 256, 512, 512] },
  ...{ layersPerBlock: 2, normGroups: 32, patchSize: 1 },
};

/** Operations of the filters of the encoder's blocks: each of their weights serves every pixel of its resolution. */
function operationsOfWeights(config: AutoencoderConfig, size: number): number {
  return autoencoderParameters(config).reduce((sum, { name, shape }) => {
    const level = /^encoder\.down_blocks\.(\d)\.resnets.*\.weight$/.exec(name)?.[1];
    const pixels = (size / config.patchSize / 2 ** Number(level ?? 0)) ** 2;
    return sum + (level === undefined ? 0 : 2 * pixels * shape.reduce((product, side) => product * side, 1));
  }, 0);
}

it.each([
  ['whole pixels', stableDiffusion, 256],
  [
    'pixels folded fourfold',
    { ...stableDiffusion, channels: [64, 96], latentChannels: 16, patchSize: 4 },
    64,
  ],
])('operations of encoding count the blocks of %s', (_, config, size) => {
  const operations = encodingOperations(config, size);
  expect(operations / operationsOfWeights(config, size)).toBeGreaterThan(0.8);
  expect(operations / operationsOfWeights(config, size)).toBeLessThan(1.25);
});
