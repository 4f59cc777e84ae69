import { UserError } from '../../src/base/errors.js';
import { gridOf, type SiTConfig, sitParameters } from '../../src/models/sit/config.js';
import { fromReference, referencePlace } from '../../src/models/sit/reference-names.js';
import { positionEmbedding } from '../../src/nn/embeddings.js';
import type { Parameter } from '../../src/nn/parameter.js';
import { float32, type HostTensor, type HostTensors, int32 } from '../../src/tensorflow/index.js';
import { type Fixture, stored } from './fixture.js';

/** The reference keeps the position embedding among its tensors; ours is computed. */
const positionName = 'pos_embed';
const usualChannels = 4;
const usualLabelDropout = 0.1;

/** The model that a fixture's spec describes under `key`, in the reference's words. */
export function specModel({ path, spec }: Fixture, key = 'model'): SiTConfig {
  const model = (spec[key] ?? {}) as Readonly<Record<string, unknown>>;
  const number = (name: string, fallback?: number): number => {
    const value = model[name] ?? fallback;
    if (typeof value === 'number') return value;
    throw new UserError({
      code: 'fixture-incomplete',
      message: `${path}: its spec has no number "${key}.${name}", found ${JSON.stringify(value)}.`,
    });
  };
  const depth = number('depth');
  const mediators = Array.isArray(model.mediator_num)
    ? (model.mediator_num as number[])
    : Array<number>(depth).fill(number('mediator_num'));
  return {
    latentSize: number('input_size'),
    channels: number('in_channels', usualChannels),
    patchSize: number('patch_size'),
    hiddenSize: number('hidden_size'),
    depth,
    heads: number('num_heads'),
    classes: number('num_classes'),
    mediators,
    labelDropout: number('class_dropout_prob', usualLabelDropout),
  };
}

/** The parameters of the reference's state dict that a fixture holds under `prefix`, as ours. */
export function referenceWeights(fixture: Fixture, prefix: string, config: SiTConfig): HostTensors {
  return Object.fromEntries(
    sitParameters(config).map((parameter) => {
      const { data } = stored(fixture, prefix + referencePlace(parameter, config).name);
      const values = Float32Array.from(data as ArrayLike<number>);
      return [parameter.name, fromReference(values, parameter, config)];
    }),
  );
}

/** Our parameter for a name of the reference. */
export function parametersByReferenceName(config: SiTConfig): ReadonlyMap<string, Parameter> {
  return new Map(
    sitParameters(config).map((parameter) => [referencePlace(parameter, config).name, parameter]),
  );
}

/** The position embedding as the reference keeps it, [1, tokens, hidden]; nothing for another name. */
export function positionTensor(name: string, config: SiTConfig): HostTensor | undefined {
  if (name !== positionName) return undefined;
  const grid = gridOf(config);
  return float32([1, grid ** 2, config.hiddenSize], positionEmbedding(config.hiddenSize, grid));
}

/** Labels of a fixture, as programs want them. */
export function labelInput(fixture: Fixture, name: string): HostTensor {
  const { shape, data } = stored(fixture, name);
  return int32(shape, Int32Array.from(data as ArrayLike<number | bigint>, Number));
}
