import type { SiTConfig } from '../models/sit/config.js';
import { sit, type ThroughBlocks } from '../models/sit/sit.js';
import {
  type ProgramVariable,
  type Tensor,
  type Tensor1D,
  type Tensor4D,
  type Tensors,
  tf,
} from '../tensorflow/index.js';
import type { TransportChoice, VectorField } from '../transport/index.js';
import { classifierFreeField, type Guidance, guidedField } from './guidance.js';

/** A trained model whose weights are in a session. */
export interface SessionModel {
  readonly config: SiTConfig;
  readonly transport: TransportChoice;
  readonly weights: Readonly<Record<string, ProgramVariable>>;
}

/** A model as a sampler asks it. */
export interface Network {
  readonly model: SessionModel;
  /** Guidance; absent where there is none. */
  readonly guidance?: Guidance;
  /** Autoguidance: the weaker model to go away from. Without it the model itself under the null class. */
  readonly base?: SessionModel;
}

const basePrefix = 'base/';

/** The weights that a network's field needs. */
export function networkWeights({ model, base }: Network, guided: boolean): SessionModel['weights'] {
  if (!guided || base === undefined) return model.weights;
  const ofBase = Object.entries(base.weights).map(
    ([name, variable]) => [basePrefix + name, variable] as const,
  );
  return { ...model.weights, ...Object.fromEntries(ofBase) };
}

/**
 * Output of a network under labels `[batch]`.
 *
 * @param guided whether guidance acts
 * @param weights tensors of `networkWeights`
 * @param through as `sit` takes it; a guided model is called once, its conditional half first
 */
export function networkField(
  { model, guidance, base }: Network,
  guided: boolean,
  labels: Tensor,
  weights: Tensors,
  through?: ThroughBlocks,
): VectorField {
  const asked =
    ({ config }: SessionModel, of: Tensors) =>
    (x: Tensor, t: Tensor, y: Tensor) =>
      sit(of, config, x as Tensor4D, t as Tensor1D, y as Tensor1D, through);
  const conditional = asked(model, weights);
  const field: VectorField = (x, t) => conditional(x, t, labels);
  if (!guided || guidance === undefined) return field;
  if (base === undefined) {
    const nullLabels = tf.onesLike(labels).mul(tf.scalar(model.config.classes, 'int32'));
    return classifierFreeField(guidance, conditional, labels, nullLabels);
  }
  const weaker = asked(base, ofBase(weights));
  return guidedField(guidance, field, (x, t) => weaker(x, t, labels));
}

function ofBase(weights: Tensors): Tensors {
  return Object.fromEntries(
    Object.entries(weights)
      .filter(([name]) => name.startsWith(basePrefix))
      .map(([name, tensor]) => [name.slice(basePrefix.length), tensor]),
  );
}
