import { describe, expect, it } from 'vitest';
import { carryTensor, carryWeights } from '../../src/models/sit/carry.js';
import type { SiTConfig } from '../../src/models/sit/config.js';
import { sitParameters } from '../../src/models/sit/parameters.js';
import { float32, sizeOf } from '../../src/tensorflow/index.js';

const model = (latentSize: number, mediators = 4): SiTConfig => ({
  latentSize,
  channels: 4,
  patchSize: 2,
  hiddenSize: 8,
  depth: 2,
  heads: 2,
  classes: 3,
  mediators: [mediators, 0],
  labelDropout: 0.1,
});

const weightsOf = (config: SiTConfig) =>
  Object.fromEntries(
    sitParameters(config).map(({ name, shape }) => [
      name,
      float32(
        shape,
        Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(i)),
      ),
    ]),
  );

describe('carrying weights to another latent size', () => {
  it('resizes along the grid only, and keeps both ends', () => {
    const column = float32([1, 3, 2], Float32Array.of(0, 10, 1, 12, 2, 20));
    const carried = carryTensor('blocks.0.attention.queryBias.column', column, 3, 5);
    expect(carried).toMatchObject({ shape: [1, 5, 2] });
    expect(carried.data).toBeAllclose([0, 10, 0.5, 11, 1, 12, 1.5, 16, 2, 20]);
  });

  it.each([12, 20, 32])('gives every tensor the shape it has at latent size %i, others unchanged', (size) => {
    const weights = weightsOf(model(8));
    const carried = carryWeights(weights, model(8), model(size));
    for (const { name, shape } of sitParameters(model(size))) {
      expect(carried[name]!.shape, name).toEqual(shape);
      if (!/\.(row|column)$/.test(name)) expect(carried[name]).toBe(weights[name]);
    }
  });

  it('names every other difference between the models', () => {
    const other = { ...model(16, 9), classes: 5, labelDropout: 0 };
    expect(() => carryWeights(weightsOf(model(8)), model(8), other)).toThrow(
      /classes is 3 there and 5 here; mediators is 4,0 there and 9,0 here; there is a null class there/,
    );
  });
});
