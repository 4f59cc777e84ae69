import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import { freePorts } from '../../src/distributed/free-ports.js';
import { whyNoBfloat16 } from '../support/bfloat16.js';
import { nodeProgram } from '../support/programs.js';

const steps = 20;

interface Told {
  readonly losses: number[];
  readonly weights: number[];
}

/** What each of `size` workers tells after training together. */
async function train(
  size: number,
  {
    stops = {},
    precision = 'float32',
  }: { stops?: Readonly<Record<number, number>>; precision?: string } = {},
): Promise<Told[]> {
  const addresses = (await freePorts(size)).map((port) => `127.0.0.1:${port}`).join();
  return Promise.all(
    Array.from({ length: size }, async (_, rank) => {
      const args = [String(rank), addresses, String(steps), String(stops[rank] ?? -1), precision];
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

  it('tell losses in float32 where products compute in bfloat16', async ({ skip }) => {
    if (whyNoBfloat16 !== undefined) skip(whyNoBfloat16);
    const [alone] = (await train(1, { precision: 'bfloat16' })) as [Told];
    const [first, second] = (await train(2, { precision: 'bfloat16' })) as [Told, Told];
    expect(second).toEqual(first);
    // Gradients are rounded to 8 bits in each worker, before they are averaged.
    expect(largestDifference(first.losses, alone.losses)).toBeLessThan(2 ** -9);
    // bfloat16 has the upper half of float32's bits.
    const lowerBits = (value: number) => new Uint32Array(Float32Array.of(value).buffer)[0]! & 0xffff;
    expect(first.losses.filter((loss) => lowerBits(loss) !== 0)).not.toHaveLength(0);
  });

  it('stop after the same step when any of them wishes to', async () => {
    const told = await train(2, { stops: { 1: 7 } });
    for (const { losses } of told) expect(losses).toHaveLength(8);
    expect(told[1]!.weights).toEqual(told[0]!.weights);
  });
});
