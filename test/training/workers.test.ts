import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import { freePorts } from '../../src/distributed/free-ports.js';
import { nodeProgram } from '../support/programs.js';

const steps = 20;

interface Told {
  readonly losses: number[];
  readonly weights: number[];
}

/** What each of `size` workers tells after training together. */
async function train(size: number, stops: Readonly<Record<number, number>> = {}): Promise<Told[]> {
  const addresses = (await freePorts(size)).map((port) => `127.0.0.1:${port}`).join();
  return Promise.all(
    Array.from({ length: size }, async (_, rank) => {
      const args = [String(rank), addresses, String(steps), String(stops[rank] ?? -1)];
      const { stdout } = await execa(process.execPath, [
        ...nodeProgram('test/training/worker-program.ts'),
        ...args,
      ]);
      return JSON.parse(stdout) as Told;
    }),
  );
}

const largestDifference = (a: readonly number[], b: readonly number[]): number =>
  Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));

describe('workers that train together', () => {
  it('take the same steps as one worker alone, whatever their number', async () => {
    const [alone] = (await train(1)) as [Told];
    expect(alone.losses).toHaveLength(steps);
    expect(alone.losses.at(-1)).toBeLessThan(alone.losses[0]! / 2);
    for (const size of [2, 4]) {
      const told = await train(size);
      // Means are summed in another order: single precision's rounding, over 20 steps.
      expect(largestDifference(told[0]!.losses, alone.losses)).toBeLessThan(1e-5);
      expect(largestDifference(told[0]!.weights, alone.weights)).toBeLessThan(1e-5);
      for (const other of told.slice(1)) expect(other).toEqual(told[0]);
    }
  });

  it('stop after the same step when any of them wishes to', async () => {
    const told = await train(2, { 1: 7 });
    for (const { losses } of told) expect(losses).toHaveLength(8);
    expect(told[1]!.weights).toEqual(told[0]!.weights);
  });
});
