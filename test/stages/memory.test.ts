import { expect, it } from 'vitest';
import { requireMemory } from '../../src/stages/shared/memory.js';

const need = { what: 'This work', bytes: 3e9, samples: 2, remedy: (most: number) => `Do with ${most}.` };

it('refuses what needs more memory than there is', () => {
  expect(() => {
    requireMemory(need, 3e9);
  }).not.toThrow();
  expect(() => {
    requireMemory(need, 2e9);
  }).toThrow(
    expect.objectContaining({
      code: 'memory-does-not-suffice',
      message: 'This work needs about 3.0 GB of memory for 2 samples at once; there are 2.0 GB.',
      remedy: 'Do with 2000000000.',
    }),
  );
});

it('takes the memory of this machine, where none is given', () => {
  expect(() => {
    requireMemory({ ...need, samples: 1, bytes: 1e18 });
  }).toThrow(/ for 1 sample at once/);
});
