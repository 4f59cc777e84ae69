import type { ThroughBlocks } from '../models/sit/sit.js';
import {
  compile,
  type Compiled,
  type HostRecord,
  type HostTensors,
  mapValues,
  type ProgramSession,
  resized,
  type Tensor,
  type Tensors,
} from '../tensorflow/index.js';
import type { VectorField } from '../transport/index.js';
import type { BatchSizes } from './batch-sizes.js';
import { guides } from './guidance.js';
import { type Network, networkField, networkWeights } from './network.js';

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
