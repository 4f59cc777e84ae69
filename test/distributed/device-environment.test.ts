import { describe, expect, it } from 'vitest';
import { placeOnMachine } from '../../src/distributed/cluster.js';
import { gpuOf } from '../../src/distributed/device-environment.js';

describe('the GPU of a worker', () => {
  it.each([
    [0, 4, 0, undefined, undefined],
    [0, 2, 2, undefined, '0'],
    [1, 2, 2, undefined, '1'],
    [1, 2, 4, undefined, '1'],
    [1, 2, 2, '3, 5', '5'],
    [0, 1, 1, 'GPU-7c1e', 'GPU-7c1e'],
    [0, 1, 8, undefined, '0'],
  ])(
    'number %i of %i, which see %i (CUDA_VISIBLE_DEVICES=%s): %s',
    (index, size, count, visible, expected) => {
      const env = visible === undefined ? {} : { CUDA_VISIBLE_DEVICES: visible };
      const own = expected === undefined ? {} : { CUDA_VISIBLE_DEVICES: expected };
      expect(gpuOf({ index, size }, count, env)).toEqual(own);
    },
  );

  it('is the one that a process of a cluster sees, where that is one', () => {
    expect(gpuOf({ index: 3, size: 4, mayBeBound: true }, 1, {})).toEqual({});
    expect(() => gpuOf({ index: 3, size: 4, mayBeBound: true }, 2, {})).toThrow('2 GPUs');
  });

  it('is not shared: both numbers are told', () => {
    expect(() => gpuOf({ index: 0, size: 4 }, 2, {})).toThrow(
      '4 workers were asked for, and there are 2 GPUs for them',
    );
    expect(() => gpuOf({ index: 0, size: 2 }, 1, {})).toThrow(
      '2 workers were asked for, and there is 1 GPU for them',
    );
  });
});

describe('a process of a cluster', () => {
  it('counts among those of its machine', () => {
    const addresses = ['a:1', 'a:2', 'b:1', 'b:2', 'b:3', 'c:1'];
    const place = (rank: number) => {
      const { index, size } = placeOnMachine({ rank, addresses, control: 'a:9', source: 'Slurm' });
      return { index, size };
    };
    expect([0, 1, 2, 3, 4, 5].map(place)).toEqual([
      { index: 0, size: 2 },
      { index: 1, size: 2 },
      { index: 0, size: 3 },
      { index: 1, size: 3 },
      { index: 2, size: 3 },
      { index: 0, size: 1 },
    ]);
  });
});
