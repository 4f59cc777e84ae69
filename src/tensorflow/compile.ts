import { closedError, UserError } from '../base/errors.js';
import { type HostTensor, sizeOf } from './data-types.js';
import { EagerProgram, EagerSession, type EagerVariable } from './eager-session.js';
import { engineKind, type ProgramSession, type ProgramVariable } from './engine.js';
import { firstRun } from './first-run.js';
import type { RuntimeOptions } from './runtime-options.js';
import { Session } from './session.js';
import { bucketFor, checkInputs, checkNamed, signatureOf, type Static } from './signature.js';
import { mapValues, trace } from './trace.js';
import type { HostRecord, HostTensors, Program, Tensors, Trace, Variables } from './trace.js';

export interface CompileOptions {
  /** Session to run in; the caller closes it. Without one the program has sessions of its own, closed by `close`. */
  readonly session?: ProgramSession;
  /** Variables of that session, which the program gets as its second argument. */
  readonly weights?: Readonly<Record<string, ProgramVariable>>;
  /** Options of the sessions that the program opens when none is given. */
  readonly runtime?: RuntimeOptions;
  /** Axes that count samples, so that batches of any size share a few traces. */
  readonly batch?: BatchAxes;
  /**
   * Signatures to keep. Beyond them, the least recently used one is forgotten, with its session; in a given
   * session, whose graph only grows, the call fails with `too-many-signatures`.
   */
  readonly maxTraces?: number;
}

const defaultMaxTraces = 32;

/** A program that is ready to run on host tensors. */
export interface Compiled<I extends Tensors, O extends Tensors, S extends Static = undefined> {
  /** Runs the program; static values come second where it takes any. */
  call(inputs: HostRecord<I>, ...statics: S extends undefined ? [] : [statics: S]): Promise<HostRecord<O>>;
  /** Number of times that the program was traced. */
  readonly traceCount: number;
  /** Frees what is not the given session's. Calls then fail with `closed`, as they do once their session is closed. */
  close(): Promise<void>;
}

/**
 * Compiles a tfjs program to TensorFlow graphs. It is called once, with tensors that stand for values, for each
 * signature: shapes and types of the inputs, and the static values that are its third argument. Gradients
 * (`tf.grads` and kin) may be part of it.
 *
 * @throws UserError from `call`: `untraceable` with the operation and its line in the program.
 */
export function compile<I extends Tensors, O extends Tensors, S extends Static = undefined>(
  program: Program<I, O, S>,
  options: CompileOptions = {},
): Compiled<I, O, S> {
  const { session, weights, ...rest } = options;
  if (session === undefined && weights !== undefined)
    throw new TypeError('Weights live in a session: give the session too.');
  if (session instanceof EagerSession || (session === undefined && engineKind() === 'wasm'))
    return new EagerProgram(session, program, weights as Readonly<Record<string, EagerVariable>> | undefined);
  return new CompiledProgram(session, program, weights as Variables | undefined, rest);
}

interface Entry {
  readonly session: Session;
  readonly trace: Trace;
}

function runEntry({ session, trace }: Entry, inputs: HostTensors): Promise<HostTensors> {
  const names = Object.keys(trace.outputs);
  const feeds = Object.entries(inputs).map(([name, value]) => [trace.inputs[name]!, value] as const);
  return session
    .step(feeds, Object.values(trace.outputs))
    .then((values) => Object.fromEntries(names.map((name, i) => [name, values[i]!])));
}

/** A program that is traced when it is called with a new signature, and runs off the event loop. */
export class CompiledProgram<
  I extends Tensors,
  O extends Tensors,
  S extends Static = undefined,
> implements Compiled<I, O, S> {
  /** The least recently used comes first. */
  private readonly entries = new Map<string, Entry>();
  private readonly closing = new Set<Promise<void>>();
  private traced = 0;
  private closed = false;

  constructor(
    private readonly session: Session | undefined,
    private readonly program: Program<I, O, S>,
    private readonly weights: Variables = {},
    private readonly options: Pick<CompileOptions, 'batch' | 'maxTraces' | 'runtime'> = {},
  ) {}

  /** Runs the program off the event loop. */
  async call(
    inputs: HostRecord<I>,
    ...[statics]: S extends undefined ? [] : [statics: S]
  ): Promise<HostRecord<O>> {
    if (this.closed) throw closedError('The program');
    checkInputs(inputs);
    const { batch } = this.options;
    if (batch === undefined) return (await this.run(inputs, statics as S)) as HostRecord<O>;
    checkNamed(inputs, Object.keys(batch.inputs));
    const size = batchSize(inputs, batch.inputs);
    const bucket = bucketFor(size, batch.largest);
    const filled = mapValues(inputs as HostTensors, (value, name) => {
      const axis = batch.inputs[name];
      return axis === undefined ? value : resized(value, axis, bucket);
    });
    const results = await this.run(filled, statics as S);
    return mapValues(results, (value, name) => resized(value, batch.outputs[name]!, size)) as HostRecord<O>;
  }

  /** Number of times that the program was traced. */
  get traceCount(): number {
    return this.traced;
  }

  /** Waits for runs under way and frees the sessions that the program made. */
  async close(): Promise<void> {
    this.closed = true;
    if (this.session === undefined) for (const { session } of this.entries.values()) this.forget(session);
    this.entries.clear();
    await Promise.all(this.closing);
  }

  private run(inputs: HostTensors, statics: S): Promise<HostTensors> {
    const signature = signatureOf(inputs, statics);
    const entry = this.entries.get(signature);
    if (entry !== undefined) {
      this.entries.delete(signature);
      this.entries.set(signature, entry);
      return runEntry(entry, inputs);
    }
    const session = this.sessionFor(signature);
    const enter = () => this.newEntry(session, signature, inputs, statics);
    const forgetting = <T>(error: T): T => {
      if (this.session === undefined && !this.entries.has(signature)) this.forget(session);
      return error;
    };
    if (session.compiles)
      return firstRun(session, () => runEntry(enter(), inputs)).catch((error: unknown) =>
        Promise.reject(forgetting(error) as Error),
      );
    try {
      return runEntry(enter(), inputs);
    } catch (error) {
      throw forgetting(error);
    }
  }

  /** The session for a new signature. */
  private sessionFor(signature: string): Session {
    const { maxTraces = defaultMaxTraces, runtime } = this.options;
    if (this.entries.size >= maxTraces) this.makeRoom(signature, maxTraces);
    return this.session ?? new Session(runtime);
  }

  private newEntry(session: Session, signature: string, inputs: HostTensors, statics: S): Entry {
    const written = trace(session, this.program, inputs, this.weights, statics);
    this.checkBatchAxes(session, written, inputs);
    this.traced++;
    const entry = { session, trace: written };
    this.entries.set(signature, entry);
    return entry;
  }

  private makeRoom(signature: string, maxTraces: number): void {
    const [oldest] = this.entries;
    if (this.session === undefined && oldest !== undefined) {
      this.entries.delete(oldest[0]);
      this.forget(oldest[1].session);
      return;
    }
    const previous = [...this.entries.keys()].at(-1);
    throw new UserError({
      code: 'too-many-signatures',
      message: `A program was called with more than ${maxTraces} signatures, each of which is traced anew. Now: ${signature}. Before: ${String(previous)}.`,
      remedy:
        'Pass what changes from call to call as a tensor, name the batch axes where it is the batch (`batch`), or raise `maxTraces`.',
    });
  }

  private checkBatchAxes({ graph }: Session, { outputs }: Trace, inputs: HostTensors): void {
    const { batch } = this.options;
    if (batch === undefined) return;
    const size = batchSize(inputs, batch.inputs);
    for (const [name, output] of Object.entries(outputs)) {
      const axis = batch.outputs[name];
      const shape = graph.shapeOf(output);
      if (axis !== undefined && shape[axis] === size) continue;
      throw new UserError({
        code: 'batch-axis',
        message: `The result ${name} of shape [${shape.join(', ')}] ${axis === undefined ? 'has no batch axis' : `has not the ${size} samples of the batch along axis ${axis}`}: it cannot be told which part of it belongs to which sample.`,
        remedy:
          'Return one value a sample, and name its axis in `batch.outputs`; or compile without `batch`.',
      });
    }
  }

  private forget(session: Session): void {
    const closing = session.close().finally(() => this.closing.delete(closing));
    this.closing.add(closing);
  }
}

/**
 * Axis of each input and output that counts the samples of a batch. The program must treat samples independently:
 * batches are filled up to a bucket's size with copies of the last sample, and what comes of these is cut off.
 */
export interface BatchAxes {
  /** Inputs with a batch axis; the others are the same for every batch. */
  readonly inputs: Readonly<Record<string, number>>;
  /** Every output has one. */
  readonly outputs: Readonly<Record<string, number>>;
  /** Samples of a full batch, which is never filled up further. */
  readonly largest?: number;
}

/**
 * Number of samples in the inputs.
 *
 * @throws UserError `batch-sizes` where inputs differ, or lack the axis.
 */
function batchSize(inputs: Readonly<Record<string, HostTensor>>, axes: BatchAxes['inputs']): number {
  const sizes = Object.entries(axes).map(([name, axis]) => ({ name, size: inputs[name]?.shape[axis] }));
  const [first] = sizes;
  if (first?.size === undefined || first.size < 1 || sizes.some(({ size }) => size !== first.size))
    throw new UserError({
      code: 'batch-sizes',
      message: `Inputs of a batch must have the same number of samples, at least 1; found ${sizes.map(({ name, size }) => `${size ?? 'no batch axis'} (${name})`).join(', ') || 'no input with a batch axis'}.`,
    });
  return first.size;
}

/** The tensor with `size` entries along `axis`: cut off, or filled up with copies of the last. */
export function resized(tensor: HostTensor, axis: number, size: number): HostTensor {
  const { dtype, shape, data } = tensor;
  const present = shape[axis]!;
  if (present === size) return tensor;
  const inner = sizeOf(shape.slice(axis + 1));
  const outer = sizeOf(shape.slice(0, axis));
  const kept = Math.min(present, size) * inner;
  const result = new (data.constructor as Float32ArrayConstructor)(outer * size * inner);
  for (let row = 0; row < outer; row++) {
    const source = data.subarray(row * present * inner, row * present * inner + kept);
    result.set(source, row * size * inner);
    for (let entry = present; entry < size; entry++)
      result.set(source.subarray(kept - inner), (row * size + entry) * inner);
  }
  return { dtype, shape: shape.with(axis, size), data: result };
}
