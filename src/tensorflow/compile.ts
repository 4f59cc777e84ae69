import type { Tensor } from '@tensorflow/tfjs';
import { DataTypeCode, type HostDataType, type HostTensor, hostDataType } from './data-types.js';
import type { Output } from './graph.js';
import { nativeBackend } from './native-backend.js';
import type { Session, SessionVariable } from './session.js';
import { tf } from './tfjs.js';
import { Tracer, untraceable } from './tracer.js';

/** Named tensors: a program's inputs, weights or results. */
export type Tensors = Readonly<Record<string, Tensor>>;
export type HostTensors = Readonly<Record<string, HostTensor>>;
export type Variables = Readonly<Record<string, SessionVariable>>;

/** Shape and type of one input. */
export type TensorSpec = Pick<HostTensor, 'dtype' | 'shape'>;

/** A tfjs program: from inputs and weights to results. Pure; may not look at values. */
export type Program<I extends Tensors, O extends Tensors> = (inputs: I, weights: Tensors) => O;

/** A program written into a session's graph for one signature. */
export interface Trace {
  readonly inputs: Readonly<Record<string, Output>>;
  readonly outputs: Readonly<Record<string, Output>>;
}

/**
 * Writes `program` into the session's graph for inputs of the given shapes and types.
 * The program is called once; `weights` are read where it uses them.
 */
export function trace<I extends Tensors, O extends Tensors>(
  session: Session,
  program: Program<I, O>,
  inputs: Readonly<Record<string, TensorSpec>>,
  weights: Variables = {},
): Trace {
  const { graph } = session;
  const tracer = new Tracer(graph, nativeBackend());
  const placeholders = mapValues(inputs, ({ dtype, shape }) => graph.placeholder(dtype, shape));
  const outputs: Record<string, Output> = {};
  tracer.record(() => {
    tf.tidy(() => {
      const symbols = mapValues(placeholders, (output) => tracer.symbol(output));
      const weightSymbols = mapValues(weights, (variable) => tracer.symbol(variable.read()));
      const results = program(symbols as I, weightSymbols);
      for (const [name, tensor] of Object.entries(results)) {
        if (!(tensor instanceof tf.Tensor)) throw untraceable(`The result ${name}, which is not a tensor,`);
        outputs[name] = tracer.outputOf(tensor);
      }
    });
  });
  return { inputs: placeholders, outputs };
}

/** A program compiled for a session: call it with host tensors. Traced once per signature. */
export class CompiledProgram<I extends Tensors, O extends Tensors> {
  private readonly traces = new Map<string, Trace>();

  constructor(
    private readonly session: Session,
    private readonly program: Program<I, O>,
    private readonly weights: Variables = {},
  ) {}

  /** Runs the program off the event loop. */
  async call(inputs: Readonly<Record<keyof I, HostTensor>>): Promise<Readonly<Record<keyof O, HostTensor>>> {
    const { inputs: placeholders, outputs } = this.traceFor(inputs);
    const names = Object.keys(outputs);
    const feeds = Object.entries(inputs as HostTensors).map(
      ([name, value]) => [placeholders[name]!, value] as const,
    );
    const values = await this.session.run(feeds, Object.values(outputs));
    return Object.fromEntries(names.map((name, i) => [name, values[i]!])) as Record<keyof O, HostTensor>;
  }

  /** Number of signatures that have been traced. */
  get traceCount(): number {
    return this.traces.size;
  }

  private traceFor(inputs: HostTensors): Trace {
    const signature = Object.keys(inputs)
      .sort()
      .map((name) => `${name}:${inputs[name]!.dtype}[${inputs[name]!.shape.join()}]`)
      .join(' ');
    let known = this.traces.get(signature);
    if (known === undefined) {
      known = trace(this.session, this.program, inputs, this.weights);
      this.traces.set(signature, known);
    }
    return known;
  }
}

/** The eager counterpart of `CompiledProgram`: the same program on host tensors, operation by operation. */
export function runEagerly<I extends Tensors, O extends Tensors>(
  program: Program<I, O>,
  inputs: Readonly<Record<keyof I, HostTensor>>,
  weights: HostTensors = {},
): Record<keyof O, HostTensor> {
  nativeBackend();
  const toTensor = ({ dtype, shape, data }: HostTensor) => tf.tensor(data, [...shape], dtype);
  const results = tf.tidy(() => {
    const tensors = mapValues(inputs as HostTensors, toTensor) as I;
    return program(tensors, mapValues(weights, toTensor));
  });
  const values = mapValues(results as Tensors, (tensor) => ({
    dtype: hostDataType(DataTypeCode[tensor.dtype as HostDataType]),
    shape: tensor.shape,
    data: tensor.dataSync(),
  }));
  tf.dispose(results);
  return values as Record<keyof O, HostTensor>;
}

/** Applies `map` to each value of a record. */
export function mapValues<A, B>(
  record: Readonly<Record<string, A>>,
  map: (value: A, key: string) => B,
): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value, key)]));
}
