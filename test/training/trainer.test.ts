import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { normal, zeros } from '../../src/nn/parameter.js';
import { float32, int32, scalar } from '../../src/tensorflow/data-types.js';
import {
  EagerSession,
  type HostTensors,
  nativeBackend,
  randomNormal,
  Session,
  streamKey,
  type Tensor,
  type Tensor1D,
  tf,
} from '../../src/tensorflow/index.js';
import type { AverageDecay } from '../../src/training/averages.js';
import { LossScale } from '../../src/training/checkpoint-manifest.js';
import { latestCheckpoint, restoreCheckpoint, saveCheckpoint } from '../../src/training/checkpoint.js';
import { openTrainer } from '../../src/training/open-trainer.js';
import { averagePrefix, startOf, type Trainer, type TrainerOptions } from '../../src/training/trainer.js';

const parameters = [
  { name: 'weight', shape: [3, 2], initial: normal(1) },
  { name: 'bias', shape: [2], initial: zeros },
];
const start = {
  weight: float32([3, 2], Float32Array.of(0.1, -0.2, 0.3, 0.4, -0.5, 0.6)),
  bias: float32([2], Float32Array.of(0, 1)),
};
const batch = (scale = 1) => ({
  x: float32(
    [4, 3],
    Float32Array.from({ length: 12 }, (_, i) => (scale * (i - 5)) / 6),
  ),
});

let session: Session;
let folder: string;

beforeEach(async () => {
  nativeBackend();
  session = new Session();
  folder = await mkdtemp(join(tmpdir(), 'trainer-'));
});

afterEach(async () => {
  await session.close();
  await rm(folder, { recursive: true, force: true });
});

async function newTrainer(
  gradientClip = 0,
  averageDecays: readonly AverageDecay[] = [0.9],
): Promise<Trainer> {
  const trainer = openTrainer(session, {
    parameters,
    inputs: { x: { dtype: 'float32', shape: [4, 3] } },
    loss: ({ x }, { weight, bias }) => {
      const loss = tf
        .matMul(x as Tensor, weight!)
        .add(bias!)
        .square()
        .mean();
      return { loss, figures: { double: loss.mul(2) } };
    },
    optimizer: { betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0.01 },
    averageDecays,
    gradientClip,
  });
  await trainer.start(startOf(start));
  return trainer;
}

/** Every number of the state. */
async function state(trainer: Trainer): Promise<Record<string, number[]>> {
  const all: Record<string, number[]> = {};
  for (const group of trainer.groups)
    for await (const [name, { data }] of trainer.read(group)) all[`${group} ${name}`] = [...data];
  return all;
}

describe('weights that are not trained', () => {
  it.each(['compiled', 'eager'] as const)(
    'count as constants do, are no part of the state, and are loaded once: %s',
    async (engine) => {
      const other = float32([3, 2], Float32Array.of(1, 0, -1, 2, 0.5, -0.5));
      const options = {
        parameters,
        inputs: { x: { dtype: 'float32', shape: [4, 3] } },
        optimizer: { betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0.01 },
        averageDecays: [0.9],
        gradientClip: 0,
      } as const;
      const loss = (x: Tensor, w: Tensor, b: Tensor, f: Tensor) =>
        tf.matMul(x, w).add(b).sub(tf.matMul(x, f)).square().mean();
      const opened = engine === 'compiled' ? session : new EagerSession();
      let loads = 0;
      const frozen = openTrainer(opened, {
        ...options,
        frozen: {
          parameters: [{ name: 'other', shape: [3, 2], initial: zeros }],
          load: async (write) => {
            loads++;
            await write(() => other);
          },
        },
        loss: ({ x }, { weight, bias, other }) => ({ loss: loss(x!, weight!, bias!, other!) }),
      });
      const constant = openTrainer(opened, {
        ...options,
        loss: ({ x }, { weight, bias }) => ({
          loss: loss(x!, weight!, bias!, tf.tensor2d(other.data as Float32Array, [3, 2])),
        }),
      });
      for (const trainer of [frozen, constant]) await trainer.start(startOf(start));
      for (let i = 0; i < 3; i++) {
        const [a, b] = [await frozen.step(batch(), 0.01, i), await constant.step(batch(), 0.01, i)];
        expect(a.loss).toBeCloseTo(b.loss, 6);
        expect(a.gradientNorm).toBeCloseTo(b.gradientNorm, 5);
      }
      const [a, b] = [await state(frozen), await state(constant)];
      expect(Object.keys(a)).toEqual(Object.keys(b));
      for (const [name, values] of Object.entries(a)) expect(values, name).toBeAllclose(b[name]!);
      expect(loads).toBe(1);
    },
  );
});

describe('heads, the moving average, and inputs that only some batches have', () => {
  const other = [{ name: 'head', shape: [2, 2], initial: zeros }];
  const first = { ...start, head: float32([2, 2], Float32Array.of(1, -1, 0.5, 2)) };
  const options = (parts = 1): TrainerOptions => ({
    parameters,
    heads: [{ parameters: other, input: 'target' }],
    optional: ['target'],
    takesAverage: true,
    inputs: { x: { dtype: 'float32', shape: [4, 3] }, target: { dtype: 'float32', shape: [4, 2] } },
    loss: ({ x, target }, { weight, bias, head, ...rest }) => {
      const out = tf.matMul(x!, weight!).add(bias!);
      const loss = out.square().mean();
      if (target === undefined) return { loss };
      const average = tf.matMul(x!, rest[`${averagePrefix}weight`]!);
      const apart = tf.matMul(out, head!).sub(average).sub(target).square().mean();
      return { loss: loss.add(apart), figures: { apart } };
    },
    optimizer: { betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0.01 },
    averageDecays: [0.9, 0.5, { relativeWidth: 0.1 }],
    gradientClip: 0,
    ...(parts > 1 && { accumulation: { parts, perSample: ['x', 'target'], firstSample: '' } }),
  });
  const target = float32([4, 2], Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8));
  const aligned = () => ({ ...batch(), target });

  /** Two steps with the head, and two without. */
  async function train(trainer: Trainer) {
    await trainer.start(startOf(first));
    const results = [];
    const states = [];
    for (const [i, given] of [aligned(), aligned(), batch(), batch()].entries()) {
      results.push(await trainer.step(given, 0.01, i));
      states.push(await state(trainer));
    }
    return { results, states };
  }

  it('are trained as one step after the other tells, in a session, without, compiled, and in parts', async () => {
    const ways = [
      await train(openTrainer(session, options())),
      await train(openTrainer(new EagerSession(), options())),
      await train(openTrainer(session, options(2))),
    ];
    const compiled = new Session({ xla: true });
    ways.push(await train(openTrainer(compiled, options())));
    await compiled.close();
    const [{ results, states }] = ways as [(typeof ways)[0]];
    expect(results.map(({ figures }) => 'apart' in figures)).toEqual([true, true, false, false]);
    const last = states.at(-1)!;
    expect(Object.keys(last)).toContain('heads head');
    expect(Object.keys(last)).toContain('heads-firstMoment head');
    expect(Object.keys(last).filter((name) => /^average.* head$/.test(name))).toEqual([]);
    // What a step does not use it leaves as it was, moments included.
    for (const name of ['heads head', 'heads-firstMoment head', 'heads-secondMoment head']) {
      expect(states[1]![name]).not.toEqual(states[0]![name]);
      expect(last[name]).toEqual(states[1]![name]);
    }
    for (const way of ways) {
      expect(way.results.map(({ loss }) => loss)).toBeAllclose(results.map(({ loss }) => loss));
      for (const [name, values] of Object.entries(last))
        expect(way.states.at(-1)![name], name).toBeAllclose(values, { absolute: 1e-6 });
    }
  });

  it('takes the average as it was before the step', async () => {
    const trainer = openTrainer(session, options());
    await trainer.start(startOf(first));
    await trainer.step(aligned(), 0.1, 0);
    const before = await state(trainer);
    const { figures } = await trainer.step(aligned(), 0.1, 1);
    const product = (a: readonly number[], b: readonly number[], inner: number, columns: number) =>
      Array.from({ length: 4 * columns }, (_, i) => {
        const [row, column] = [Math.floor(i / columns), i % columns];
        return Array.from({ length: inner }, (_, k) => a[row * inner + k]! * b[k * columns + column]!).reduce(
          (sum, value) => sum + value,
        );
      });
    const x = Array.from(batch().x.data);
    const out = product(x, before['weights weight']!, 3, 2).map(
      (v, i) => v + before['weights bias']![i % 2]!,
    );
    const mapped = product(out, before['heads head']!, 2, 2);
    const average = product(x, before['average weight']!, 3, 2);
    const squares = mapped.map((value, i) => (value - average[i]! - target.data[i]!) ** 2);
    expect(figures.apart).toBeCloseTo(squares.reduce((sum, value) => sum + value) / 8, 4);
  });

  it('are part of checkpoints', async () => {
    const whole = await train(openTrainer(session, options()));
    const trainer = openTrainer(session, options());
    await trainer.start(startOf(first));
    await trainer.step(aligned(), 0.01, 0);
    await saveCheckpoint(folder, trainer, { step: 1, extra: {} });
    const resumed = openTrainer(session, options());
    await restoreCheckpoint((await latestCheckpoint(folder))!, resumed);
    for (const [i, given] of [aligned(), batch(), batch()].entries()) await resumed.step(given, 0.01, i + 1);
    expect(await state(resumed)).toEqual(whole.states.at(-1));
  });
});

describe('a step', () => {
  it('tells the loss, its gradient norm and figures, and lowers the loss', async () => {
    const trainer = await newTrainer();
    const first = await trainer.step(batch(), 0.01, 0);
    expect(first.applied).toBe(true);
    expect(first.figures.double).toBeCloseTo(2 * first.loss, 6);
    let last = first;
    for (let i = 1; i < 50; i++) last = await trainer.step(batch(), 0.01, i);
    expect(last.loss).toBeLessThan(0.5 * first.loss);
  });

  it('keeps the number of live tensors over 50 steps', async () => {
    const trainer = await newTrainer();
    await trainer.step(batch(), 0.01, 0);
    const before = [tf.memory().numTensors, nativeBackend().eagerTensorCount];
    for (let i = 1; i <= 50; i++) await trainer.step(batch(), 0.01, i);
    expect([tf.memory().numTensors, nativeBackend().eagerTensorCount]).toEqual(before);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, 1e30])(
    'changes nothing where the batch holds %f',
    async (value) => {
      const trainer = await newTrainer();
      await trainer.step(batch(), 0.01, 0);
      const before = await state(trainer);
      const { applied } = await trainer.step(batch(value), 0.01, 1);
      expect(applied).toBe(false);
      expect(await state(trainer)).toEqual(before);
      expect((await trainer.step(batch(), 0.01, 1)).applied).toBe(true);
    },
  );

  it.each([
    [NaN, 0, 'the learning rate must be a number of at least 0; NaN was found'],
    [Infinity, 0, 'the learning rate must be'],
    [-0.1, 0, 'the learning rate must be'],
    [0.1, -1, 'the steps before must be a whole number of at least 0; -1 was found'],
    [0.1, NaN, 'the steps before must be'],
    [0.1, 1.5, 'the steps before must be'],
  ])('is refused with a learning rate of %f after %f steps', async (rate, updates, message) => {
    const trainer = await newTrainer();
    const before = await state(trainer);
    await expect(trainer.step(batch(), rate, updates)).rejects.toMatchObject({
      code: 'training-step',
      message: expect.stringContaining(message) as string,
    });
    expect(await state(trainer)).toEqual(before);
  });

  it('clips the gradients by their global norm, which Adam does not see in its direction', async () => {
    const free = await newTrainer();
    const clipped = await newTrainer(1e-3);
    const { gradientNorm } = await free.step(batch(), 0.01, 0);
    expect((await clipped.step(batch(), 0.01, 0)).gradientNorm).toBe(gradientNorm);
    const [a, b] = [await state(free), await state(clipped)];
    const ratios = a['firstMoment weight']!.map((moment, i) => b['firstMoment weight']![i]! / moment);
    // First moments are a tenth of the gradients: they shrink as these do. Float32 rounds at 1e-7.
    for (const ratio of ratios) expect(ratio).toBeCloseTo(1e-3 / gradientNorm, 6);
  });
});

describe('moving averages', () => {
  it('follow the weights, each with its decay', async () => {
    const decays = [0.5, 0.9, 0, { relativeWidth: 0.1 }];
    const trainer = await newTrainer(0, decays);
    expect(trainer.groups).toEqual([
      'weights',
      'average',
      'average-0.9',
      'average-0',
      'average-power-0.1',
      'firstMoment',
      'secondMoment',
    ]);
    const expected = decays.map(() => [...start.weight.data]);
    for (let i = 0; i < 3; i++) {
      await trainer.step(batch(), 0.1, i);
      const weights = (await state(trainer))['weights weight']!;
      // EDM2's exponent of the relative width 0.1.
      const powerDecay = (1 - 1 / (i + 1)) ** (6.937203937601809 + 1);
      decays.forEach((each, k) => {
        const decay = typeof each === 'number' ? each : powerDecay;
        expected[k] = expected[k]!.map((average, j) => decay * average + (1 - decay) * weights[j]!);
      });
    }
    const found = await state(trainer);
    // Float32 rounds each of three updates.
    expect(found['average weight']).toBeAllclose(expected[0]!, { absolute: 1e-6 });
    expect(found['average-0.9 weight']).toBeAllclose(expected[1]!, { absolute: 1e-6 });
    expect(found['average-0 weight']).toBeAllclose(expected[2]!, { absolute: 1e-6 });
    expect(found['average-power-0.1 weight']).toBeAllclose(expected[3]!, { absolute: 1e-6 });
    await saveCheckpoint(folder, trainer, { step: 3, extra: {} });
    const other = await newTrainer(0, decays);
    await restoreCheckpoint((await latestCheckpoint(folder))!, other);
    expect(await state(other)).toEqual(found);
  });
});

/** Samples of a batch, keyed by their places in it, as noise and labels are in training. */
const samples = 12;
function keyedOptions(parts: number, gradientClip = 0): TrainerOptions {
  const perPart = samples / parts;
  return {
    parameters,
    inputs: {
      x: { dtype: 'float32', shape: [samples, 3] },
      key: { dtype: 'int32', shape: [2] },
      first: { dtype: 'int32', shape: [1] },
    },
    loss: ({ x, key, first }, { weight, bias }) => {
      const noise = randomNormal(key as Tensor1D, first as Tensor1D, perPart, [3]);
      const loss = tf.matMul(x!.add(noise), weight!).add(bias!).tanh().square().mean();
      return { loss, figures: { noise: noise.mean() } };
    },
    optimizer: { betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0.01 },
    averageDecays: [0.9],
    gradientClip,
    ...(parts > 1 && { accumulation: { parts, perSample: ['x'], firstSample: 'first' } }),
  };
}
const keyedBatch = (step: number, spoiled?: number): HostTensors => ({
  x: float32(
    [samples, 3],
    Float32Array.from({ length: 3 * samples }, (_, i) => (i === spoiled ? NaN : Math.cos(i + step))),
  ),
  key: streamKey(4, 'noise', step),
  first: int32([1], Int32Array.of(0)),
});

describe('a batch in parts', () => {
  async function train(trainer: Trainer, steps = 4) {
    await trainer.start(startOf(start));
    const results = [];
    for (let step = 0; step < steps; step++) results.push(await trainer.step(keyedBatch(step), 0.05, step));
    return { results, state: await state(trainer) };
  }

  it.each([2, 3, 12])('gives in %d what it gives at once', async (parts) => {
    const whole = await train(openTrainer(session, keyedOptions(1, 0.1)));
    const split = await train(openTrainer(session, keyedOptions(parts, 0.1)));
    for (const [i, { figures, ...result }] of split.results.entries()) {
      expect(result.applied).toBe(true);
      // Sums of 12 numbers in another order: float32 rounds at 1e-7.
      expect(result.loss).toBeCloseTo(whole.results[i]!.loss, 6);
      expect(result.gradientNorm).toBeCloseTo(whole.results[i]!.gradientNorm, 6);
      expect(figures.noise).toBeCloseTo(whole.results[i]!.figures.noise!, 6);
    }
    for (const [name, values] of Object.entries(whole.state))
      expect(split.state[name]).toBeAllclose(values, { absolute: 1e-5 });
  });

  it.each([0, 35])(
    'changes nothing where its number %d is not finite, and the next batch starts anew',
    async (spoiled) => {
      const trainer = openTrainer(session, keyedOptions(3));
      await trainer.start(startOf(start));
      await trainer.step(keyedBatch(0), 0.05, 0);
      const before = await state(trainer);
      expect((await trainer.step(keyedBatch(1, spoiled), 0.05, 1)).applied).toBe(false);
      expect(await state(trainer)).toEqual(before);
      const reference = openTrainer(session, keyedOptions(3));
      await reference.start(startOf(start));
      await reference.step(keyedBatch(0), 0.05, 0);
      expect(await trainer.step(keyedBatch(2), 0.05, 1)).toEqual(
        await reference.step(keyedBatch(2), 0.05, 1),
      );
      expect(await state(trainer)).toEqual(await state(reference));
    },
  );

  it('must divide', () => {
    expect(() => openTrainer(session, keyedOptions(5))).toThrow(
      'A batch of 12 cannot be split into 5 equal parts.',
    );
  });

  it.each([1, 3])('trains step by step without a session as in one, in %d parts', async (parts) => {
    const inSession = await train(openTrainer(session, keyedOptions(parts, 0.1)));
    const eager = new EagerSession();
    const before = tf.memory().numTensors;
    const trainer = openTrainer(eager, keyedOptions(parts, 0.1));
    const stepwise = await train(trainer);
    // Four groups of two parameters.
    expect(tf.memory().numTensors).toBe(before + 8);
    expect(stepwise.results.map(({ applied }) => applied)).toEqual([true, true, true, true]);
    for (const [i, { loss, gradientNorm, figures }] of stepwise.results.entries()) {
      // TensorFlow's rewriting changes the order of float32 sums.
      expect(loss).toBeCloseTo(inSession.results[i]!.loss, 6);
      expect(gradientNorm).toBeCloseTo(inSession.results[i]!.gradientNorm, 6);
      expect(figures.noise).toBeCloseTo(inSession.results[i]!.figures.noise!, 6);
    }
    for (const [name, values] of Object.entries(inSession.state))
      expect(stepwise.state[name]).toBeAllclose(values, { absolute: 1e-5 });
    const unchanged = await state(trainer);
    expect((await trainer.step(keyedBatch(9, 20), 0.05, 4)).applied).toBe(false);
    expect(await state(trainer)).toEqual(unchanged);
    expect(tf.memory().numTensors).toBe(before + 8);
    await eager.close();
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('a loss scale', () => {
  it('halves where gradients overflow, doubles after 2000 finite steps, and is restored', () => {
    const scale = new LossScale();
    scale.update(false);
    scale.update(false);
    expect(scale.scale).toBe(2 ** 13);
    for (let i = 0; i < 1999; i++) scale.update(true);
    const restored = new LossScale(JSON.parse(JSON.stringify(scale)) as ReturnType<LossScale['toJSON']>);
    expect(restored.scale).toBe(2 ** 13);
    restored.update(true);
    expect(restored.scale).toBe(2 ** 14);
    for (let i = 0; i < 100; i++) restored.update(false);
    expect(restored.scale).toBe(1);
  });

  it('in float16 changes no number that does not overflow, and is part of a checkpoint', async () => {
    const plain = await newTrainer();
    const half = new Session({ precision: 'float16' });
    try {
      const native = session;
      session = half;
      const scaled = await newTrainer();
      session = native;
      for (let i = 0; i < 3; i++)
        // On the CPU nothing is converted to float16, and powers of two round nothing.
        expect(await scaled.step(batch(), 0.01, i)).toEqual(await plain.step(batch(), 0.01, i));
      expect(await state(scaled)).toEqual(await state(plain));
      expect(plain.lossScale).toBeUndefined();
      expect(scaled.lossScale).toEqual({ scale: 2 ** 15, streak: 3 });
      expect((await scaled.step(batch(NaN), 0.01, 3)).applied).toBe(false);
      expect(scaled.lossScale).toEqual({ scale: 2 ** 14, streak: 0 });
      await saveCheckpoint(folder, scaled, { step: 3, extra: {} });
      session = half;
      const other = await newTrainer();
      session = native;
      await restoreCheckpoint((await latestCheckpoint(folder))!, other);
      expect(other.lossScale).toEqual({ scale: 2 ** 14, streak: 0 });
    } finally {
      await half.close();
    }
  });

  /** The identity, whose gradient overflows as float16 does. */
  const asFloat16 = tf.customGrad((x) => ({
    value: (x as Tensor).clone(),
    gradFunc: (dy: Tensor) => tf.where(dy.abs().greater(65504), tf.scalar(Infinity), dy),
  }));

  it('brings back gradients that overflow only because of it', async () => {
    const half = new Session({ precision: 'float16' });
    try {
      const trainer = openTrainer(half, {
        parameters: [{ name: 'w', shape: [], initial: zeros }],
        inputs: { x: { dtype: 'float32', shape: [] } },
        loss: ({ x }, { w }) => ({ loss: asFloat16(w!).mul(x!) }),
        optimizer: { betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0 },
        averageDecays: [0.9],
        gradientClip: 0,
      });
      await trainer.start(() => scalar(0));
      // 8·2¹⁵, 8·2¹⁴ and 8·2¹³ are over 65504, 8·2¹² is not.
      const applied = [];
      for (let i = 0; i < 5; i++) applied.push((await trainer.step({ x: scalar(8) }, 0.1, i)).applied);
      expect(applied).toEqual([false, false, false, true, true]);
      expect(trainer.lossScale).toEqual({ scale: 2 ** 12, streak: 2 });
    } finally {
      await half.close();
    }
  });
});

describe.each(['session', 'eager'] as const)('inputs of a step (%s)', (kind) => {
  it.each<[what: string, inputs: Record<string, unknown>, told: string]>([
    ['missing', {}, 'The input x is missing: float32[4, 3] is expected; given are none.'],
    [
      'of another shape',
      { x: float32([3, 4], new Float32Array(12)) },
      'The input x must be float32[4, 3]; float32[3, 4] was found.',
    ],
    [
      'of another type',
      { x: int32([4, 3], new Int32Array(12)) },
      'The input x must be float32[4, 3]; int32[4, 3] was found.',
    ],
    [
      'too short',
      { x: { dtype: 'float32', shape: [4, 3], data: new Float32Array(3) } },
      'float32[4, 3] with 3 values was found.',
    ],
    ['no tensor', { x: [1, 2] }, 'The input x must be float32[4, 3]; Array was found.'],
    ['unknown', { ...batch(), y: scalar(1) }, 'There is no input y; there are x.'],
  ])('%s is refused by name', async (_, inputs, told) => {
    const eager = new EagerSession();
    const trainer = openTrainer(kind === 'eager' ? eager : session, {
      parameters,
      inputs: { x: { dtype: 'float32', shape: [4, 3] } },
      loss: ({ x }, { weight, bias }) => ({
        loss: tf
          .matMul(x as Tensor, weight!)
          .add(bias!)
          .mean(),
      }),
      optimizer: { betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0 },
      averageDecays: [0.9],
      gradientClip: 0,
    });
    await trainer.start(startOf(start));
    await expect(trainer.step(inputs as HostTensors, 1, 0)).rejects.toMatchObject({
      code: 'input-mismatch',
      message: expect.stringContaining(told) as string,
    });
    expect((await trainer.step(batch(), 0, 0)).applied).toBe(true);
    await eager.close();
  });
});
