import { planCarry } from '../../../src/models/sit/carry.js';
import { type SiTConfig, sitParameters } from '../../../src/models/sit/config.js';
import { toReference } from '../../../src/models/sit/reference-names.js';
import { sit } from '../../../src/models/sit/sit.js';
import {
  floats,
  type HostTensor,
  type HostTensors,
  type Tensor1D,
  type Tensor4D,
  type Tensors,
} from '../../../src/tensorflow/index.js';
import { type Check, expectNear, notUnderstood, type ProgramFixtureKind } from '../check.js';
import { programInput, readFixture, statedTolerance, stored } from '../fixture.js';
import { channelsFirst } from '../layout.js';
import {
  labelInput,
  parametersByReferenceName,
  positionTensor,
  referenceWeights,
  specModel,
} from '../reference-model.js';

const lowPrefix = 'low.';
const highPrefix = 'high.';
const inputs = new Set(['x', 't', 'y']);

/** Weights carried to a larger latent size, and the larger model's output. */
export const finetuneKind: ProgramFixtureKind = {
  name: 'finetune',
  files: /^finetune_.*\.safetensors$/,
  programs: true,
  async checks(path, execution) {
    const fixture = await readFixture(path);
    const low = specModel(fixture, 'low');
    const high = specModel(fixture, 'high');
    const weights = await carriedWeights(referenceWeights(fixture, lowPrefix, low), low, high);
    const parameters = parametersByReferenceName(high);
    const lowParameters = parametersByReferenceName(low);
    const tolerance = { ofLargest: statedTolerance(fixture, 1e-4) };
    const near = (name: string, actual: Parameters<typeof expectNear>[3]) =>
      expectNear(name, stored(fixture, name), tolerance, actual);
    const checkOf = (name: string): Check => {
      if (name === 'out')
        return near(name, async () => {
          const run = await execution.prepare(
            ({ x, t, y }: { x: Tensor4D; t: Tensor1D; y: Tensor1D }, w: Tensors) => ({
              out: sit(w, high, x, t, y),
            }),
            weights,
          );
          const { out } = await run({
            x: programInput(fixture, 'x'),
            t: programInput(fixture, 't'),
            y: labelInput(fixture, 'y'),
          });
          return channelsFirst(out);
        });
      const place = name.startsWith(highPrefix) ? name.slice(highPrefix.length) : undefined;
      const position = place === undefined ? undefined : positionTensor(place, high);
      if (position !== undefined) return near(name, () => position);
      const parameter = place === undefined ? undefined : parameters.get(place);
      if (parameter === undefined) return notUnderstood(name);
      return near(name, () => toReference(floats(weights[parameter.name]!), parameter, high));
    };
    return [...fixture.tensors.keys()]
      .filter((name) => {
        const place = name.startsWith(lowPrefix) ? name.slice(lowPrefix.length) : undefined;
        const isInput = inputs.has(name) || (place !== undefined && lowParameters.has(place));
        return !isInput && place !== 'pos_embed';
      })
      .map(checkOf);
  },
};

async function carriedWeights(there: HostTensors, from: SiTConfig, to: SiTConfig): Promise<HostTensors> {
  const classes = Array.from({ length: from.classes }, (_, label) => String(label));
  const carry = planCarry({ config: from, classes }, { config: to, classes });
  const begin = (name: string): never => {
    throw new Error(`${name} would be new.`);
  };
  const values: Record<string, HostTensor> = {};
  for (const { name } of sitParameters(to))
    values[name] = await carry.valueOf(name, (of) => there[of]!, begin);
  return values;
}
