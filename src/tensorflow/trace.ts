import type { Tensor } from '@tensorflow/tfjs';
import type { HostTensor } from './data-types.js';
import type { Graph, Output } from './graph.js';
import { nativeBackend } from './native-backend.js';
import { untraceable } from './random-guard.js';
import type { Session, SessionVariable, Written } from './session.js';
import { namingMissing, signatureOf, type Static, type TensorSpec } from './signature.js';
import { tf } from './tfjs.js';
import { Tracer } from './tracer.js';

/** Named tensors: a program's inputs, weights or results. */
export type Tensors = Readonly<Record<string, Tensor>>;
export type HostTensors = Readonly<Record<string, HostTensor>>;
/** Values for a program's inputs, or of its results. */
export type HostRecord<T extends Tensors> = Readonly<Record<keyof T, HostTensor>>;
export type Variables = Readonly<Record<string, SessionVariable>>;

/**
 * A tfjs program: from inputs and weights to results. Pure; may not look at values of tensors, but may branch on
 * shapes, types and static values.
 */
export type Program<I extends Tensors, O extends Tensors, S extends Static = undefined> = (
  inputs: I,
  weights: Tensors,
  statics: S,
) => O;

/** A program written into a session's graph for one signature. */
export interface Trace {
  readonly inputs: Readonly<Record<string, Output>>;
  readonly outputs: Readonly<Record<string, Output>>;
}

/**
 * Writes `program` into the session's graph for inputs of the given shapes and types.
 * The program is called once; `weights` are read where it uses them. Tensors that it captures become constants.
 *
 * @throws UserError `untraceable` with the operation and the line of the program; `size-unknown`.
 */
export function trace<I extends Tensors, O extends Tensors, S extends Static = undefined>(
  session: Session,
  program: Program<I, O, S>,
  inputs: Readonly<Record<string, TensorSpec>>,
  weights: Variables = {},
  statics?: S,
): Trace {
  signatureOf(inputs, statics);
  const { graph } = session;
  const placeholders = mapValues(inputs, ({ dtype, shape }) => graph.placeholder(dtype, shape));
  const { outputs } = session.region('program', placeholders, weights, (body, given, variables) => ({
    outputs: record(body, program, given, readAll(body, variables), statics),
  }));
  return { inputs: placeholders, outputs };
}

/**
 * Writes `program` so that it also changes variables: each result that has the name of a weight is the new value of it.
 * Where the session compiles, it is one operation.
 *
 * @param inputs outputs of the session's graph
 * @returns the other results, and the operations that change variables
 */
export function traceUpdate(
  session: Session,
  program: Program<Tensors, Tensors>,
  inputs: Readonly<Record<string, Output>>,
  weights: Variables,
): Required<Written> {
  return session.region('update', inputs, weights, (body, given, variables) => {
    const reads = readAll(body, variables);
    const results = Object.entries(record(body, program, given, reads, undefined));
    return {
      outputs: Object.fromEntries(results.filter(([name]) => variables[name] === undefined)),
      // What was read stays as it was read.
      effects: results.flatMap(
        ([name, value]) => variables[name]?.assign(value, [reads[name]!.operation]) ?? [],
      ),
    };
  });
}

/** Outputs that hold what variables hold before an update. */
function readAll(graph: Graph, variables: Variables): Record<string, Output> {
  return mapValues(variables, (variable) => {
    const read = variable.read();
    if (variable.constant) graph.packed.add(read);
    return read;
  });
}

/** Writes what `program` computes into a graph. */
function record<I extends Tensors, O extends Tensors, S extends Static>(
  graph: Graph,
  program: Program<I, O, S>,
  inputs: Readonly<Record<string, Output>>,
  weights: Readonly<Record<string, Output>>,
  statics: S | undefined,
): Record<string, Output> {
  const tracer = new Tracer(graph, nativeBackend());
  const fed = new Set(Object.values(inputs).map(({ operation }) => operation));
  const outputs: Record<string, Output> = {};
  tracer.record(() => {
    tf.tidy(() => {
      const symbols = mapValues(inputs, (output) => tracer.symbol(output));
      const weightSymbols = mapValues(weights, (read) => tracer.symbol(read));
      const results: unknown = namingMissing(symbols as I, (named) =>
        program(named, weightSymbols, statics as S),
      );
      if (results instanceof Promise) throw asynchronous(results);
      for (const [name, tensor] of Object.entries(results as O)) {
        if (!(tensor instanceof tf.Tensor)) throw untraceable(`The result ${name}, which is not a tensor,`);
        const output = tracer.outputOf(tensor);
        // What is fed cannot be fetched.
        outputs[name] = fed.has(output.operation) ? graph.node('Identity', [output]) : output;
      }
    });
  });
  return outputs;
}

function asynchronous(results: Promise<unknown>): Error {
  results.catch(() => undefined);
  return untraceable('An asynchronous function', {
    remedy:
      'Write the program without `async` and `await`: it describes a computation and waits for nothing.',
  });
}

/** Applies `map` to each value of a record. */
export function mapValues<A, B>(
  record: Readonly<Record<string, A>>,
  map: (value: A, key: string) => B,
): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value, key)]));
}

/** The values whose names begin with a prefix, by their names without it. */
export function withoutPrefix<A>(record: Readonly<Record<string, A>>, prefix: string): Record<string, A> {
  return Object.fromEntries(
    Object.entries(record)
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, value]) => [name.slice(prefix.length), value]),
  );
}
