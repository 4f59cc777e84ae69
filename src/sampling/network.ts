import { biasOf, biasTables } from '../models/sit/attention.js';
import { gridOf, type SiTConfig } from '../models/sit/config.js';
import { sit, type ThroughBlocks } from '../models/sit/sit.js';
import {
  compile,
  mapValues,
  newVariables,
  openStore,
  resized,
  tf,
  withoutPrefix,
} from '../tensorflow/index.js';
import type {
  Compiled,
  HostRecord,
  HostTensor,
  HostTensors,
  ProgramSession,
  ProgramVariable,
  Tensor,
  Tensor1D,
  Tensor4D,
  Tensors,
} from '../tensorflow/index.js';
import type { TransportChoice, VectorField } from '../transport/index.js';
import type { BatchSizes } from './batch-sizes.js';
import { classifierFreeField, type Guidance, guidedField, guides } from './guidance.js';

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

/**
 * A model's weights, which have and keep their values, as samplers take them: with the biases of its attention at every
 * token, which no pass then makes anew, in place of the tables that they follow from.
 */
export async function samplingWeights(
  session: ProgramSession,
  config: SiTConfig,
  weights: SessionModel['weights'],
): Promise<SessionModel['weights']> {
  const grid = gridOf(config);
  const tables = biasTables(weights, grid);
  if (tables.length === 0) return weights;
  const ofTables = new Set(tables.flatMap((table) => Object.values(table.weights)));
  const values = new Map<string, HostTensor>();
  const parts = [...ofTables].map((name) => weights[name]!);
  for await (const [{ name }, value] of openStore(session, parts).read()) values.set(name, value);
  const program = compile((table: Tensors) => ({ bias: biasOf(table, grid) }), { session });
  const named = new Map(tables.map((table) => [table.name, table]));
  const variables = newVariables(session, tables);
  // One after the other: all at once would take several times their memory.
  await openStore(session, variables).write(async ({ name }) => {
    const table = mapValues(named.get(name)!.weights, (weight) => values.get(weight)!);
    return (await program.call(table)).bias;
  });
  const others = Object.entries(weights).filter(([name]) => !ofTables.has(name));
  return Object.fromEntries([...others, ...variables.map((variable) => [variable.name, variable] as const)]);
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
  const weaker = asked(base, withoutPrefix(weights, basePrefix));
  return guidedField(guidance, field, (x, t) => weaker(x, t, labels));
}

// A type, not an interface: it is a program's record of inputs.
// eslint-disable-next-line @typescript-eslint/consistent-type-definitions
export type FieldInputs = {
  /** int32 `[batch]` */
  readonly labels: Tensor;
};

/** The field with something in place of its network's blocks. */
export type FieldThrough = (through?: ThroughBlocks) => VectorField;

/**
 * A program around a network. It is compiled twice, with guidance and without, so that a step outside of the guidance
 * interval costs one evaluation and not two.
 *
 * Inputs are scalars or have the samples as their first axis; results all have them. Any number of samples may be
 * given: they are filled up to one of the sizes, each of which is traced once.
 */
export class FieldProgram<I extends Tensors & FieldInputs, O extends Tensors> {
  private readonly programs = new Map<boolean, Compiled<I, O>>();

  constructor(
    private readonly session: ProgramSession,
    private readonly network: Network,
    private readonly sizes: BatchSizes,
    private readonly use: (field: VectorField, inputs: I, fieldThrough: FieldThrough) => O,
  ) {}

  /** @param span the times between which the field is evaluated */
  async call(inputs: HostRecord<I>, [from, to]: readonly [from: number, to: number]): Promise<HostRecord<O>> {
    const { guidance } = this.network;
    const guided = guidance !== undefined && guides(guidance, from, to - from);
    const samples = inputs.labels!.shape[0]!;
    const program = this.program(guided);
    const results = await program.call(withSamples(inputs, this.sizes.filled(samples)));
    return withSamples(results, samples);
  }

  private program(guided: boolean): Compiled<I, O> {
    let known = this.programs.get(guided);
    if (known === undefined) {
      known = compile<I, O>(
        (inputs: I, weights: Tensors) => {
          const through: FieldThrough = (blocks) =>
            networkField(this.network, guided, inputs.labels, weights, blocks);
          return this.use(through(), inputs, through);
        },
        {
          session: this.session,
          weights: networkWeights(this.network, guided),
          // Multistep methods have programs of four orders.
          maxTraces: 4 * this.sizes.choices,
        },
      );
      this.programs.set(guided, known);
    }
    return known;
  }
}

/** The same tensors with as many samples; scalars have none. */
function withSamples<T extends HostTensors>(tensors: T, samples: number): T {
  return mapValues(tensors, (tensor) =>
    tensor.shape.length === 0 ? tensor : resized(tensor, 0, samples),
  ) as T;
}
