import {
  CompiledProgram,
  type HostTensor,
  type HostTensors,
  type Program,
  Session,
  type SessionVariable,
  type Tensors,
  nativeBackend,
  runEagerly,
} from '../tensorflow/index.js';

/** A program that is ready to run. */
export type Runnable<I extends Tensors, O extends Tensors> = (
  inputs: Readonly<Record<keyof I, HostTensor>>,
) => Promise<Readonly<Record<keyof O, HostTensor>>>;

/** A way of running programs. */
export interface Execution {
  readonly name: ExecutionName;
  prepare<I extends Tensors, O extends Tensors>(
    program: Program<I, O>,
    weights?: HostTensors,
  ): Promise<Runnable<I, O>>;
  close(): Promise<void>;
}

export type ExecutionName = 'eager' | 'traced';

export const executionNames: readonly ExecutionName[] = ['eager', 'traced'];

/** Opens a way of running programs; close it after use. */
export function openExecution(name: ExecutionName): Execution {
  nativeBackend();
  return name === 'eager' ? eager : traced();
}

const eager: Execution = {
  name: 'eager',
  prepare: (program, weights) =>
    Promise.resolve((inputs) => Promise.resolve(runEagerly(program, inputs, weights))),
  close: () => Promise.resolve(),
};

function traced(): Execution {
  const session = new Session();
  return {
    name: 'traced',
    async prepare(program, weights = {}) {
      const variables: Record<string, SessionVariable> = {};
      for (const [name, value] of Object.entries(weights)) {
        variables[name] = session.variable(name, value.shape);
        await session.write(variables[name], value);
      }
      const compiled = new CompiledProgram(session, program, variables);
      return (inputs) => compiled.call(inputs);
    },
    close: () => session.close(),
  };
}
