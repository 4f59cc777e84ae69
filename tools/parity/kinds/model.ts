import type { SiTConfig } from '../../../src/models/sit/config.js';
import { toReference } from '../../../src/models/sit/reference-names.js';
import { sit } from '../../../src/models/sit/sit.js';
import { classifierFreeField } from '../../../src/sampling/index.js';
import {
  floats,
  type HostTensor,
  type HostTensors,
  int32,
  type Tensor,
  type Tensor1D,
  type Tensor4D,
  type Tensors,
  tf,
} from '../../../src/tensorflow/index.js';
import { type Check, expectNear, notUnderstood, type ProgramFixtureKind } from '../check.js';
import type { Execution } from '../execution.js';
import { type Fixture, programInput, readFixture, specNumber, statedTolerance, stored } from '../fixture.js';
import { channelsFirst } from '../layout.js';
import { once } from '../once.js';
import {
  labelInput,
  parametersByReferenceName,
  positionTensor,
  referenceWeights,
  specModel,
} from '../reference-model.js';

/** The reference guides the first three channels. */
const guidedChannels = 3;
const inputs = new Set(['x', 't', 'y', 'target', 'cfg_x', 'cfg_t', 'cfg_y']);
const parameterPrefix = 'param.';
const gradientPrefix = 'grad.';

/** A SiT's output, the gradients of its squared error by every parameter, and its guided output. */
export const modelKind: ProgramFixtureKind = {
  name: 'model',
  files: /^model_.*\.safetensors$/,
  programs: true,
  async checks(path, execution) {
    const fixture = await readFixture(path);
    const config = specModel(fixture);
    const weights = referenceWeights(fixture, parameterPrefix, config);
    const model: FixtureModel = { fixture, config, weights, execution };
    const gradients = once(() => lossAndGradients(model));
    const parameters = parametersByReferenceName(config);
    return [...fixture.tensors.keys()].flatMap((name): Check[] => {
      const parameter = name.startsWith(parameterPrefix) ? name.slice(parameterPrefix.length) : undefined;
      if (inputs.has(name) || (parameter !== undefined && parameters.has(parameter))) return [];
      return [checkOf(model, name, gradients)];
    });
  },
};

interface FixtureModel {
  readonly fixture: Fixture;
  readonly config: SiTConfig;
  readonly weights: HostTensors;
  readonly execution: Execution;
}

function checkOf(model: FixtureModel, name: string, gradients: () => Promise<HostTensors>): Check {
  const { fixture, config } = model;
  const expected = stored(fixture, name);
  const tolerance = { ofLargest: statedTolerance(fixture, 1e-4) };
  const near = (actual: () => HostTensor | Promise<HostTensor>) =>
    expectNear(name, expected, tolerance, actual);
  const position = positionTensor(name.slice(parameterPrefix.length), config);
  if (position !== undefined && name.startsWith(parameterPrefix)) return near(() => position);
  const parameter = name.startsWith(gradientPrefix)
    ? parametersByReferenceName(config).get(name.slice(gradientPrefix.length))
    : undefined;
  if (parameter !== undefined)
    return near(async () => toReference(floats((await gradients())[parameter.name]!), parameter, config));
  switch (name) {
    case 'out':
      return near(async () => channelsFirst(await output(model)));
    case 'loss':
      return near(async () => (await gradients())[lossName]!);
    case 'cfg_out':
      return near(async () => channelsFirst(await guidedOutput(model)));
    default:
      return notUnderstood(name);
  }
}

// Types, not interfaces: they are programs' records of inputs.
// eslint-disable-next-line @typescript-eslint/consistent-type-definitions
type Point = { x: Tensor; t: Tensor; y: Tensor };

function network(config: SiTConfig, weights: Tensors) {
  return (x: Tensor, t: Tensor, y: Tensor) =>
    sit(weights, config, x as Tensor4D, t as Tensor1D, y as Tensor1D);
}

function pointOf(fixture: Fixture, prefix = '') {
  return {
    x: programInput(fixture, `${prefix}x`),
    t: programInput(fixture, `${prefix}t`),
    y: labelInput(fixture, `${prefix}y`),
  };
}

async function output({ fixture, config, weights, execution }: FixtureModel): Promise<HostTensor> {
  const run = await execution.prepare(
    ({ x, t, y }: Point, w: Tensors) => ({ out: network(config, w)(x, t, y) }),
    weights,
  );
  return (await run(pointOf(fixture))).out;
}

const lossName = 'loss';

async function lossAndGradients({ fixture, config, weights, execution }: FixtureModel): Promise<HostTensors> {
  const names = Object.keys(weights);
  const program = ({ x, t, y, target }: Point & { target: Tensor }, w: Tensors): Tensors => {
    const loss = (...values: Tensor[]) => {
      const changed = Object.fromEntries(names.map((name, i) => [name, values[i]!]));
      return network(config, changed)(x, t, y).sub(target).square().mean().asScalar();
    };
    const { value, grads } = tf.valueAndGrads(loss)(names.map((name) => w[name]!));
    return { [lossName]: value, ...Object.fromEntries(names.map((name, i) => [name, grads[i]!])) };
  };
  const run = await execution.prepare(program, weights);
  return run({ ...pointOf(fixture), target: programInput(fixture, 'target') });
}

/**
 * The reference's guided output: for both halves of the batch the guided channels are those of the first, while the
 * other channels follow the labelled and the unlabelled output.
 */
async function guidedOutput({ fixture, config, weights, execution }: FixtureModel): Promise<HostTensor> {
  const guidance = { scale: specNumber(fixture, 'cfg_scale'), channels: guidedChannels };
  const program = (
    { x, t, labels, nullLabels }: Omit<Point, 'y'> & { labels: Tensor; nullLabels: Tensor },
    w: Tensors,
  ) => {
    const model = network(config, w);
    const half = (tensor: Tensor) => tf.split(tensor, 2)[0]!;
    const guided = classifierFreeField(guidance, model, labels, nullLabels)(half(x), half(t));
    const channels = [guidedChannels, config.channels - guidedChannels];
    const rest = tf.split(model(half(x), half(t), nullLabels), channels, -1)[1]!;
    const unlabelled = tf.concat([tf.split(guided, channels, -1)[0]!, rest], -1);
    return { out: tf.concat([guided, unlabelled]) };
  };
  const run = await execution.prepare(program, weights);
  const { y, ...point } = pointOf(fixture, 'cfg_');
  const count = y.data.length / 2;
  const labels = y.data as Int32Array;
  const { out } = await run({
    ...point,
    labels: int32([count], labels.slice(0, count)),
    nullLabels: int32([count], labels.slice(count)),
  });
  return out;
}
