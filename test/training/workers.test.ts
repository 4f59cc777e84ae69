import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import { socketAddresses } from '../../src/tensorflow/index.js';
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
  const folder = await mkdtemp(join(tmpdir(), 'workers-'));
  const addresses = socketAddresses(folder, size).join();
  const told = Promise.all(
    Array.from({ length: size }, async (_, rank) => {
      const args = [String(rank), addresses, String(steps), String(stops[rank] ?? -1), precision];
      const { stdout } = await execa(process.execPath, [
        ...nodeProgram('test/training/worker-program.ts'),
        ...args,
      ]);
      return JSON.parse(stdout) as Told;
    }),
  );
  return told.finally(() => rm(folder, { recursive: true }));
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

describe('a server of a worker', () => {
  it('names the port that it cannot have', async () => {
    const taken = createServer();
    await once(taken.listen(0), 'listening');
    const { port } = taken.address() as AddressInfo;
    const addresses = `127.0.0.1:${port},127.0.0.1:1`;
    const args = [...nodeProgram('test/training/worker-program.ts'), '0', addresses, '1', '-1', 'float32'];
    const { exitCode, stderr } = await execa(process.execPath, args, { reject: false });
    taken.close();
    expect(exitCode).not.toBe(0);
    expect(stderr).toContain(`A worker cannot listen at 127.0.0.1:${port}: the port is taken`);
    expect(stderr).toContain('worker-port-taken');
  });
});
