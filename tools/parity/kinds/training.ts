import { type SiTConfig, sitParameters } from '../../../src/models/sit/config.js';
import { toReference } from '../../../src/models/sit/reference-names.js';
import { sit } from '../../../src/models/sit/sit.js';
import { floats, type HostTensor, int32 } from '../../../src/tensorflow/data-types.js';
import {
  EagerSession,
  type HostTensors,
  Session,
  type Tensor,
  type Tensor1D,
  type Tensor4D,
  type Tensors,
} from '../../../src/tensorflow/index.js';
import type { AdamWConfig } from '../../../src/training/adamw.js';
import { openTrainer } from '../../../src/training/open-trainer.js';
import { startOf } from '../../../src/training/trainer.js';
import { trainingLoss, transportOf } from '../../../src/transport/index.js';
import { type Check, expectNear, notUnderstood, type ProgramFixtureKind } from '../check.js';
import type { ExecutionName } from '../execution.js';
import {
  type Fixture,
  programInput,
  readFixture,
  slice,
  specNumber,
  specText,
  statedTolerance,
  stored,
} from '../fixture.js';
import { once } from '../once.js';
import {
  labelInput,
  parametersByReferenceName,
  positionTensor,
  referenceWeights,
  specModel,
} from '../reference-model.js';

const inputs = new Set(['x0', 'x1', 't', 'y']);
const groups = { final: 'weights', ema: 'average' } as const;

/** Fixture of some steps of training: each step's loss, and the weights and their moving average after the last. */
export const trainingKind: ProgramFixtureKind = {
  name: 'training',
  files: /^training.*\.safetensors$/,
  programs: true,
  async checks(path, { name: execution }) {
    const fixture = await readFixture(path);
    const config = specModel(fixture);
    const trained = once(() => train(fixture, config, execution));
    const parameters = parametersByReferenceName(config);
    const checkOf = (name: string): Check => {
      const expected = stored(fixture, name);
      if (name === 'losses')
        return expectNear(
          name,
          expected,
          { relative: statedTolerance(fixture, 1e-4, 'losses') },
          async () => (await trained()).losses,
        );
      const [prefix, ...rest] = name.split('.');
      const place = rest.join('.');
      const tolerance = { absolute: statedTolerance(fixture, 2e-4, 'parameters') };
      const position = positionTensor(place, config);
      const group = Object.hasOwn(groups, prefix!) ? groups[prefix as keyof typeof groups] : undefined;
      const parameter = parameters.get(place);
      if (group === undefined || (parameter === undefined && position === undefined))
        return notUnderstood(name);
      return expectNear(name, expected, tolerance, async () => {
        if (parameter === undefined) return position!;
        return toReference(floats((await trained())[group][parameter.name]!), parameter, config);
      });
    };
    return [...fixture.tensors.keys()]
      .filter((name) => {
        const place = name.replace(/^init\./, '');
        return !inputs.has(name) && (place === name || !(parameters.has(place) || place === 'pos_embed'));
      })
      .map(checkOf);
  },
};

interface Trained {
  readonly losses: readonly number[];
  readonly weights: HostTensors;
  readonly average: HostTensors;
}

interface Options {
  readonly optimizer: AdamWConfig;
  readonly learningRate: number;
  readonly averageDecay: number;
}

async function train(fixture: Fixture, config: SiTConfig, execution: ExecutionName): Promise<Trained> {
  return trainFrom(
    config,
    referenceWeights(fixture, 'init.', config),
    batchesOf(fixture),
    optionsOf(fixture),
    execution,
  );
}

function velocityLoss(config: SiTConfig, { x0, x1, t, y }: Tensors, weights: Tensors): Tensor {
  const transport = transportOf({ interpolant: 'linear', prediction: 'velocity' });
  const model = (x: Tensor, time: Tensor) =>
    sit(weights, config, x as Tensor4D, time as Tensor1D, y as Tensor1D);
  const point = { data: x1!, noise: x0!, t: t! };
  return trainingLoss({ ...transport, lossWeight: 'none' }, model, point).mean();
}

async function trainFrom(
  config: SiTConfig,
  weights: HostTensors,
  batches: readonly HostTensors[],
  { optimizer, learningRate, averageDecay }: Options,
  execution: ExecutionName,
): Promise<Trained> {
  const session = execution === 'traced' ? new Session() : new EagerSession();
  try {
    const trainer = openTrainer(session, {
      parameters: sitParameters(config),
      loss: (step, w) => ({ loss: velocityLoss(config, step, w) }),
      inputs: batches[0]!,
      optimizer,
      averageDecays: [averageDecay],
      gradientClip: 0,
    });
    await trainer.start(startOf(weights));
    const losses: number[] = [];
    for (const [updates, batch] of batches.entries())
      losses.push((await trainer.step(batch, learningRate, updates)).loss);
    const group = async (name: 'weights' | 'average') => {
      const tensors: Record<string, HostTensor> = {};
      for await (const [parameter, value] of trainer.read(name)) tensors[parameter] = value;
      return tensors;
    };
    return { losses, weights: await group('weights'), average: await group('average') };
  } finally {
    await session.close();
  }
}

/** Noise, data, times and labels of each step. */
function batchesOf(fixture: Fixture): HostTensors[] {
  const [x0, x1, t, y] = [
    ...['x0', 'x1', 't'].map((name) => programInput(fixture, name)),
    labelInput(fixture, 'y'),
  ] as [HostTensor, HostTensor, HostTensor, HostTensor];
  const [steps, batch] = y.shape as [number, number];
  return Array.from({ length: steps }, (_, step) => ({
    x0: slice(x0, step),
    x1: slice(x1, step),
    t: slice(t, step),
    y: int32([batch], (y.data as Int32Array).slice(step * batch, (step + 1) * batch)),
  }));
}

/** The optimizer, from the spec's numbers or from its words `AdamW lr 1e-3 betas .9 .999 eps 1e-8 weight_decay .01, EMA decay .99`. */
function optionsOf(fixture: Fixture): Options {
  const words = specText(fixture, 'what', '');
  const number = (key: string, pattern: RegExp) => {
    const found = pattern.exec(words);
    return specNumber(fixture, key, found === null ? undefined : Number(found[1]));
  };
  const decimal = '([\\d.]+(?:e[+-]?\\d+)?)';
  return {
    learningRate: number('lr', new RegExp(`\\blr ${decimal}`)),
    averageDecay: number('ema_decay', new RegExp(`EMA decay ${decimal}`)),
    optimizer: {
      betas: [
        number('beta1', new RegExp(`betas ${decimal}`)),
        number('beta2', new RegExp(`betas [\\d.]+ ${decimal}`)),
      ],
      epsilon: number('eps', new RegExp(`\\beps ${decimal}`)),
      weightDecay: number('weight_decay', new RegExp(`weight_decay ${decimal}`)),
    },
  };
}
