import { UserError } from '../../src/base/errors.js';
import { type SiTConfig, sitParameters } from '../../src/models/sit/config.js';
import { fromReference, referencePlace } from '../../src/models/sit/reference-names.js';
import { computedNames, computedTensor, referenceShapes } from '../../src/models/sit/reference-state.js';
import type { Parameter } from '../../src/nn/parameter.js';
import { float32, type HostTensor, type HostTensors, int32 } from '../../src/tensorflow/index.js';
import { type Fixture, stored } from './fixture.js';

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
  const [latentSize, patchSize] = [number('input_size'), number('patch_size')];
  return {
    latentSize,
    channels: number('in_channels', usualChannels),
    patchSize,
    hiddenSize: number('hidden_size'),
    depth,
    heads: number('num_heads'),
    classes: number('num_classes'),
    mediators,
    labelDropout: number('class_dropout_prob', usualLabelDropout),
    // LightningDiT's words.
    ...(model.use_qknorm === true && { qkNorm: true }),
    ...(model.use_rmsnorm === true && { rmsNorm: true }),
    ...(model.use_swiglu === true && { swiGlu: true }),
    ...(model.use_rope === true && { rope: latentSize / patchSize }),
    // SpeedrunDiT's.
    ...(model.use_v1_residual === true && { valueResidual: true }),
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

/** Positions as the reference keeps them among its tensors; nothing for another name. */
export function positionTensor(name: string, config: SiTConfig): HostTensor | undefined {
  if (!computedNames(config).includes(name)) return undefined;
  return float32(referenceShapes(config).get(name)!, computedTensor(name, config));
}

/** Labels of a fixture, as programs want them. */
export function labelInput(fixture: Fixture, name: string): HostTensor {
  const { shape, data } = stored(fixture, name);
  return int32(shape, Int32Array.from(data as ArrayLike<number | bigint>, Number));
}
