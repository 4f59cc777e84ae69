import { describe, expect, test } from 'vitest';
import {
  compile,
  engineNotices,
  float32,
  floats,
  nativeBackend,
  randomNormal,
  randomUniform,
  Session,
  streamKey,
  int32,
  tf,
  type Tensor,
  type Tensor1D,
} from '../../src/tensorflow/index.js';
import { SessionTrainer } from '../../src/training/session-trainer.js';
import { namedModel } from '../../tools/bench/model.js';
import { trainStep } from '../../tools/bench/workload.js';

// XLA's compiler for processors stands in for the one for GPUs: what it is given is the same.

const small = { ...namedModel('SiT-S/2', 4, 8), hiddenSize: 32, heads: 2, depth: 2, mediators: [4, 0] };

interface Step {
  readonly loss: number;
  readonly gradientNorm: number;
}

describe('a step that XLA compiles', () => {
  test.each([false, true])(
    'takes the steps that are taken operation by operation, recompute: %s',
    async (recompute) => {
      const steps = async (xla: boolean) => {
        const step = await trainStep({ model: small, batch: 2, runtime: { xla }, recompute });
        const { session } = step;
        expect(session.compiles).toBe(xla);
        const taken = [await step.run(), await step.run(), await step.run()] as Step[];
        await session.close();
        return taken;
      };
      const [plain, compiled] = [await steps(false), await steps(true)];
      for (const [i, { loss, gradientNorm }] of compiled.entries()) {
        // Sums in another order.
        expect(loss / plain[i]!.loss).toBeCloseTo(1, 5);
        expect(gradientNorm / plain[i]!.gradientNorm).toBeCloseTo(1, 4);
      }
      expect(plain[2]!.loss).not.toBe(plain[0]!.loss);
    },
    180_000,
  );

  test('changes nothing where the gradients are not finite, and clips those that are long', async () => {
    const after = async (xla: boolean) => {
      const session = new Session({ device: 'cpu', xla });
      const trainer = new SessionTrainer(session, {
        parameters: [{ name: 'w', shape: [2] }] as never,
        loss: ({ x }, { w }) => ({ loss: w!.mul(x!).square().sum() }),
        inputs: { x: float32([2], new Float32Array(2)) },
        optimizer: { betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0.1 },
        averageDecays: [0.9, 0.5, { relativeWidth: 0.1 }],
        gradientClip: 0.5,
      });
      await trainer.start(() => float32([2], Float32Array.of(1, 2)));
      const results = [];
      for (const [updates, x] of [1, Infinity, 2].entries()) {
        const { applied } = await trainer.step({ x: float32([2], Float32Array.of(x, 1)) }, 0.1, updates);
        const state: number[] = [];
        for (const group of trainer.groups)
          for await (const [, value] of trainer.read(group)) state.push(...floats(value));
        results.push({ applied, state });
      }
      await session.close();
      return results;
    };
    const [plain, compiled] = [await after(false), await after(true)];
    expect(compiled.map(({ applied }) => applied)).toEqual([true, false, true]);
    expect(compiled[1]!.state).toEqual(compiled[0]!.state);
    for (const [i, { state }] of compiled.entries())
      for (const [j, value] of state.entries()) expect(value).toBeCloseTo(plain[i]!.state[j]!, 6);
  }, 180_000);

  test('draws the numbers that are drawn operation by operation', async () => {
    const draw = async (xla: boolean) => {
      const program = compile(
        ({ key, first }: { key: Tensor1D; first: Tensor1D }) => ({
          normal: randomNormal(key, first, 3, [5]),
          uniform: randomUniform(key, first, 3, [5]),
        }),
        { runtime: { device: 'cpu', xla } },
      );
      const inputs = { key: streamKey(1, 'a', 2), first: int32([1], Int32Array.of(70_000)) };
      const { normal, uniform } = await program.call(inputs);
      await program.close();
      return { normal: [...floats(normal)], uniform: [...floats(uniform)] };
    };
    const [plain, compiled] = [await draw(false), await draw(true)];
    expect(compiled.uniform).toEqual(plain.uniform);
    // XLA's logarithm, sine and cosine are others.
    for (const [i, value] of compiled.normal.entries()) expect(value).toBeCloseTo(plain.normal[i]!, 5);
  });
});

describe('a program that XLA cannot compile', () => {
  test('runs operation by operation, and it is said', async () => {
    const told: string[] = [];
    const telling = engineNotices.subscribe((notice) => told.push(notice));
    const session = new Session({ device: 'cpu', xla: true });
    const program = compile(
      ({ x }: { x: Tensor }) => {
        const [bessel] = nativeBackend().operation('BesselJ0', [x]) as [Tensor];
        return { y: tf.add(bessel, 1) };
      },
      { session },
    );
    const { y } = await program.call({ x: float32([1], Float32Array.of(0)) });
    expect(floats(y)[0]).toBe(2);
    expect(session.compiles).toBe(false);
    telling.unsubscribe();
    expect(told).toEqual([expect.stringMatching(/XLA could not compile a program.*BesselJ0/)]);
    await session.close();
  });
});
