import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { normal, type Parameter, zeros } from '../../src/nn/parameter.js';
import { initialValues } from '../../src/nn/parameters.js';
import {
  EagerSession,
  float32,
  floats,
  type HostTensor,
  type HostTensors,
  nativeBackend,
  type ProgramSession,
  type Tensors,
  runEagerly,
  Session,
  tf,
} from '../../src/tensorflow/index.js';
import type { MuonConfig } from '../../src/training/muon.js';
import { orthogonalized } from '../../src/training/muon.js';
import { openTrainer } from '../../src/training/open-trainer.js';
import type { Trainer, TrainerOptions } from '../../src/training/trainer.js';
import { whyNoBfloat16 } from '../support/bfloat16.js';
import { fixturePath } from '../support/fixture-checks.js';

interface Matrix {
  readonly shape: readonly [number, number];
  readonly data: readonly number[];
}
interface Case extends Pick<MuonConfig, 'weightDecay' | 'momentum' | 'scale'> {
  readonly learningRate: number;
  readonly start: readonly Matrix[];
  readonly gradients: readonly (readonly Matrix[])[];
  readonly weights: readonly Matrix[];
  readonly momenta: readonly Matrix[];
  /** As PyTorch computes them, which orthogonalizes in bfloat16. */
  readonly roundedWeights: readonly Matrix[];
}
const { cases } = JSON.parse(readFileSync(fixturePath('muon/expected.json'), 'utf8')) as {
  readonly cases: readonly Case[];
};

const sessions: ProgramSession[] = [];
const opened = <S extends ProgramSession>(session: S): S => {
  sessions.push(session);
  return session;
};

beforeAll(() => {
  nativeBackend();
});
afterAll(async () => {
  for (const session of sessions) await session.close();
});

const initial = zeros;
/** Queries, keys and values in one, a wide layer and a tall one, and what AdamW trains. */
const parameters: readonly Parameter[] = [
  { name: 'qkv', shape: [6, 18], initial, hiddenMatrices: 3 },
  { name: 'in', shape: [6, 10], initial, hiddenMatrices: 1 },
  { name: 'bias', shape: [4], initial },
  { name: 'out', shape: [10, 6], initial, hiddenMatrices: 1 },
];

/** Matrices of the fixture by the parameters that they stand in. */
function byName([q, k, v, wide, tall]: readonly Matrix[]): HostTensors {
  const rows = Array.from({ length: 6 }, (_, i) =>
    [q!, k!, v!].flatMap(({ data }) => data.slice(6 * i, 6 * (i + 1))),
  );
  return {
    qkv: float32([6, 18], Float32Array.from(rows.flat())),
    in: float32([6, 10], Float32Array.from(wide!.data)),
    out: float32([10, 6], Float32Array.from(tall!.data)),
    bias: float32([4], Float32Array.of(1, -1, 0.5, 0)),
  };
}

const adamw = { betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0.01 } as const;
/** AdamW's learning rate, of which Muon's is a multiple. */
const ofAdamW = 0.001;

/** Options of a loss whose gradients are its inputs. */
const options = (
  { learningRate, weightDecay, momentum, scale }: Case,
  changes: Partial<TrainerOptions> = {},
): TrainerOptions => ({
  parameters,
  inputs: Object.fromEntries(parameters.map(({ name, shape }) => [name, { dtype: 'float32', shape }])),
  loss: (inputs, weights) => ({
    loss: tf.addN(parameters.map(({ name }) => weights[name]!.mul(inputs[name]!).sum())),
  }),
  optimizer: {
    ...adamw,
    muon: { relativeRate: learningRate / ofAdamW, weightDecay, momentum, scale },
  },
  averageDecays: [0.9, { relativeWidth: 0.1 }],
  gradientClip: 0,
  ...changes,
});

async function stateOf(trainer: Trainer): Promise<Record<string, HostTensor>> {
  const state: Record<string, HostTensor> = {};
  for (const group of trainer.groups)
    for await (const [name, value] of trainer.read(group)) state[`${group} ${name}`] = value;
  return state;
}

async function train(session: ProgramSession, given: Case, changes: Partial<TrainerOptions> = {}) {
  const trainer = openTrainer(session, options(given, changes));
  const start = byName(given.start);
  await trainer.start((name) => start[name]!);
  for (const [updates, gradients] of given.gradients.entries())
    await trainer.step(byName(gradients), ofAdamW, updates);
  return stateOf(trainer);
}

const hidden = ['qkv', 'in', 'out'];
const distance = (a: HostTensor, b: HostTensor) => {
  const other = floats(b);
  return Math.hypot(...[...floats(a)].map((value, i) => value - other[i]!));
};

describe.each([
  ['in a session', () => new Session()],
  ['compiled', () => new Session({ xla: true })],
  ['without a session', () => new EagerSession()],
] as const)('Muon %s', (_, open) => {
  let session: ProgramSession;
  beforeAll(() => {
    session = opened(open());
  });

  it.each(cases)(
    "takes torch.optim.Muon's steps, $scale",
    async (given) => {
      const state = await train(session, given);
      const [weights, momenta] = [byName(given.weights), byName(given.momenta)];
      for (const name of hidden) {
        expect(state[`weights ${name}`], name).toBeAllclose(weights[name]!);
        expect(state[`firstMoment ${name}`], name).toBeAllclose(momenta[name]!);
      }
      // PyTorch's own, in bfloat16: 8 bits, in each of 15 products after each other. Rounding of the first query's gradient,
      // which has rank 1, grows to singular values of its own there.
      const [rounded, start] = [byName(given.roundedWeights), byName(given.start)];
      for (const name of ['in', 'out'])
        expect(distance(state[`weights ${name}`]!, rounded[name]!)).toBeLessThan(
          0.02 * distance(rounded[name]!, start[name]!),
        );
    },
    180_000,
  );

  it('leaves all else to AdamW, and keeps no second moment of what it trains', async () => {
    const [given] = cases as [Case];
    const state = await train(session, given);
    const all = await train(session, given, { optimizer: adamw });
    for (const group of ['weights', 'average', 'firstMoment', 'secondMoment'])
      expect(state[`${group} bias`], group).toEqual(all[`${group} bias`]);
    const second = Object.keys(state).filter((key) => key.startsWith('secondMoment'));
    expect(second).toEqual(['secondMoment bias']);
  }, 180_000);

  it('moves averages after the weights, clips, and changes nothing where a gradient is not finite', async () => {
    const [given] = cases as [Case];
    const trainer = openTrainer(session, options(given, { gradientClip: 0.5 }));
    const start = byName(given.start);
    await trainer.start((name) => start[name]!);
    const gradients = byName(given.gradients[0]!);
    const first = await trainer.step(gradients, ofAdamW, 0);
    const after = await stateOf(trainer);
    for (const name of hidden) {
      const moved = floats(after[`weights ${name}`]!).map((value, i) => {
        const old = floats(start[name]!)[i]!;
        return old + 0.1 * (value - old);
      });
      expect(floats(after[`average ${name}`]!), name).toBeAllclose(moved);
      const clipped = floats(gradients[name]!).map(
        (value) => ((1 - given.momentum) * value * 0.5) / first.gradientNorm,
      );
      expect(floats(after[`firstMoment ${name}`]!), name).toBeAllclose(clipped);
    }
    const infinite = float32([4], Float32Array.of(Infinity, 0, 0, 0));
    const { applied } = await trainer.step({ ...gradients, bias: infinite }, ofAdamW, 1);
    expect(applied).toBe(false);
    expect(await stateOf(trainer)).toEqual(after);
  }, 180_000);
});

it('is near in bfloat16', async ({ skip }) => {
  if (whyNoBfloat16 !== undefined) skip(whyNoBfloat16);
  const [given] = cases as [Case];
  const state = await train(opened(new Session({ precision: 'bfloat16' })), given);
  const [exact, start] = [byName(given.weights), byName(given.start)];
  // Sums are rounded to 8 bits too; singular values are up to 0.3 from 1 anyway.
  for (const name of ['in', 'out'])
    expect(distance(state[`weights ${name}`]!, exact[name]!)).toBeLessThan(
      0.1 * distance(exact[name]!, start[name]!),
    );
});

it('fits what two layers can, with scales that suit learning rates for AdamW', async () => {
  const layers: readonly Parameter[] = [
    { name: 'first', shape: [6, 16], initial: normal(0.4), hiddenMatrices: 2 },
    { name: 'second', shape: [16, 2], initial: normal(0.2), hiddenMatrices: 1 },
  ];
  const muon = { relativeRate: 1, weightDecay: 0, momentum: 0.95, scale: 'matchRmsAdamW' } as const;
  const trainer = openTrainer(opened(new Session()), {
    parameters: layers,
    inputs: { x: { dtype: 'float32', shape: [32, 6] } },
    loss: ({ x }, { first, second }) => {
      const out = tf.matMul(tf.matMul(x!, first!).tanh(), second!);
      return {
        loss: out
          .sub(x!.slice([0, 0], [32, 2]).sin())
          .square()
          .mean(),
      };
    },
    optimizer: { ...adamw, muon },
    averageDecays: [0.9],
    gradientClip: 0,
  });
  await trainer.start(initialValues(layers, 1));
  const losses: number[] = [];
  for (let step = 0; step < 100; step++) {
    const x = Float32Array.from({ length: 192 }, (_, i) => 1.5 * Math.sin(i * i + 7 * step + 1));
    losses.push((await trainer.step({ x: float32([32, 6], x) }, 0.01, step)).loss);
  }
  expect(losses.at(-1)).toBeLessThan(losses[0]! / 10);
});

it('brings singular values near to 1, as the polynomial says', () => {
  const values = [3, 1, 0.3, 0.01];
  const matrix = float32(
    [1, 4, 6],
    Float32Array.from({ length: 24 }, (_, i) => (i % 6 === Math.floor(i / 6) ? values[i % 6]! : 0)),
  );
  const { result } = runEagerly(({ matrix }: Tensors) => ({ result: orthogonalized(matrix!) }), { matrix });
  const norm = Math.hypot(...values);
  const expected = values.map((value) => {
    let x = value / norm;
    for (let i = 0; i < 5; i++) x = 3.4445 * x - 4.775 * x ** 3 + 2.0315 * x ** 5;
    return x;
  });
  for (const [i, value] of expected.entries()) {
    expect(floats(result)[7 * i]).toBeCloseTo(value, 5);
    expect(value).toBeGreaterThan(0.6);
    expect(value).toBeLessThan(1.25);
  }
});
