import { beforeAll, describe, expect, test } from 'vitest';
import { compile, mapValues, nativeBackend, runEagerly, Session } from '../../src/tensorflow/index.js';
import { expectedLosses, lossInputs, lossOf } from './diffusion-loss-cases.js';

beforeAll(() => {
  nativeBackend();
});

/** Batches whose samples are 0 to 7 of the global batch. */
const splits = [[8], [3, 1, 4], [1, 1, 1, 1, 1, 1, 1, 1], [2, 6], [4, 4]];

describe('posterior, noise, times and dropped labels of a sample', () => {
  test.each(splits)('are those of its place in the global batch: eagerly, in batches of %j', (...sizes) => {
    let first = 0;
    for (const size of sizes) {
      const { losses } = runEagerly(lossOf, lossInputs(5, first, size));
      // The closed form is in double precision: float32 rounds products near 10 to 1e-6.
      expect(losses.data).toBeAllclose(expectedLosses(5, first, size), { absolute: 1e-4, relative: 1e-5 });
      first += size;
    }
  });

  test.each(splits)('and compiled, in batches of: %j', async (...sizes) => {
    const session = new Session({ device: 'cpu' });
    const program = compile(lossOf, { session });
    const whole = (await program.call(lossInputs(6, 0, 8))).losses;
    const parts: number[] = [];
    for (const size of sizes)
      parts.push(...(await program.call(lossInputs(6, parts.length, size))).losses.data);
    // Sums along a sample's 12 numbers may be taken in another order in another batch.
    expect(parts).toBeAllclose(whole.data, { absolute: 1e-6, relative: 1e-6 });
    expect(parts).toBeAllclose(expectedLosses(6, 0, 8), { absolute: 1e-4, relative: 1e-5 });
    await session.close();
  });

  test('differ from step to step and from sample to sample', () => {
    const values = [5, 6].flatMap((step) => [...runEagerly(lossOf, lossInputs(step, 0, 8)).losses.data]);
    expect(new Set(values).size).toBe(16);
    const same = mapValues(lossInputs(5, 0, 8), (value) => value);
    expect(runEagerly(lossOf, same as ReturnType<typeof lossInputs>).losses.data).toEqual(
      runEagerly(lossOf, lossInputs(5, 0, 8)).losses.data,
    );
  });
});
