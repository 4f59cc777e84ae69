import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Tensor } from '@tensorflow/tfjs';
import { closedError } from '../base/errors.js';
import { type HostTensor, sizeOf } from './data-types.js';
import { fromHost, readHost } from './host-tensors.js';
import { hostValue, type TensorValue } from './made-tensor.js';
import { checkInputs, namingMissing, type Static } from './signature.js';
import { tf } from './tfjs.js';
import { type HostRecord, type HostTensors, mapValues, type Program, type Tensors } from './trace.js';

/** A tensor that an eager session keeps between runs. */
export class EagerVariable {
  private current: Tensor | undefined;

  constructor(
    readonly name: string,
    readonly shape: readonly number[],
    private readonly session: EagerSession,
  ) {}

  /** The value, which the variable goes on owning. Throws where none was written. */
  get value(): Tensor {
    this.session.mustBeOpen();
    if (this.current === undefined) throw new Error(`The variable ${this.name} has no value yet.`);
    return this.current;
  }

  /** Takes the tensor over in place of the value. */
  set value(tensor: Tensor) {
    this.session.mustBeOpen();
    this.current?.dispose();
    this.current = tf.keep(tensor);
  }

  dispose(): void {
    this.current?.dispose();
    this.current = undefined;
  }
}

/**
 * Counterpart of `Session` that runs operation by operation on tfjs's current backend: for machines without a native
 * library.
 */
export class EagerSession {
  private readonly variables: EagerVariable[] = [];
  private closed = false;

  /** A new float32 variable without a value: `write` it before it is read. */
  variable(name: string, shape: readonly number[]): EagerVariable {
    this.mustBeOpen();
    const variable = new EagerVariable(name, shape, this);
    this.variables.push(variable);
    return variable;
  }

  /** @throws UserError `closed` */
  mustBeOpen(): void {
    if (this.closed) throw closedError('The session');
  }

  /** Frees the variables. */
  close(): Promise<void> {
    this.closed = true;
    for (const variable of this.variables.splice(0)) variable.dispose();
    return Promise.resolve();
  }
}

/** Moves values between variables of an eager session and JavaScript, one at a time. */
export class EagerStore {
  constructor(private readonly variables: readonly EagerVariable[]) {}

  /** Every variable with its value, in order. */
  async *read(): AsyncGenerator<readonly [EagerVariable, HostTensor]> {
    for (const variable of this.variables) yield [variable, await readHost(variable.value)];
  }

  /** Sets every variable to what `valueOf` gives for it. */
  async write(valueOf: (variable: EagerVariable) => TensorValue | Promise<TensorValue>): Promise<void> {
    for (const variable of this.variables) {
      const value = hostValue(await valueOf(variable));
      if (sizeOf(value.shape) !== sizeOf(variable.shape))
        throw new RangeError(
          `${variable.name} has shape [${variable.shape.join(', ')}], found [${value.shape.join(', ')}].`,
        );
      variable.value = fromHost({ ...value, shape: variable.shape });
    }
  }
}

/** The eager counterpart of a compiled program. It is never traced. */
export class EagerProgram<I extends Tensors, O extends Tensors, S extends Static = undefined> {
  readonly traceCount = 0;
  private closed = false;

  constructor(
    private readonly session: EagerSession | undefined,
    private readonly program: Program<I, O, S>,
    private readonly weights: Readonly<Record<string, EagerVariable>> = {},
  ) {}

  /** Runs the program, after what else waits to be done. */
  async call(
    inputs: HostRecord<I>,
    ...[statics]: S extends undefined ? [] : [statics: S]
  ): Promise<HostRecord<O>> {
    await nextTurn();
    if (this.closed) throw closedError('The program');
    this.session?.mustBeOpen();
    checkInputs(inputs);
    // A program may return a weight as it is, which stays the session's.
    const owned = new Set(Object.values(this.weights).map(({ value }) => value.id));
    const results = tf.tidy(() =>
      namingMissing(mapValues(inputs as HostTensors, fromHost) as I, (named) =>
        this.program(
          named,
          mapValues(this.weights, ({ value }) => value),
          statics as S,
        ),
      ),
    );
    const names = Object.keys(results);
    const values = await Promise.all(names.map((name) => readHost(results[name]!)));
    for (const name of names) if (!owned.has(results[name]!.id)) results[name]!.dispose();
    return Object.fromEntries(names.map((name, i) => [name, values[i]!])) as HostRecord<O>;
  }

  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }
}
