import {
  CompiledProgram,
  type HostTensor,
  type HostTensors,
  mapValues,
  nativeBackend,
  type Program,
  runEagerly,
  type RuntimeOptions,
  Session,
  type Tensors,
  VariableStore,
} from '../../src/tensorflow/index.js';

/** A program that is ready to run. */
type Runnable<I extends Tensors, O extends Tensors> = (
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

/** Opens a way of running programs; close it after use. `options` are those of traced programs' sessions. */
export function openExecution(name: ExecutionName, options: RuntimeOptions = {}): Execution {
  nativeBackend();
  return name === 'eager' ? eager : traced(options);
}

const eager: Execution = {
  name: 'eager',
  prepare: (program, weights) =>
    Promise.resolve((inputs) => Promise.resolve(runEagerly(program, inputs, weights))),
  close: () => Promise.resolve(),
};

/** A session for each program: nodes that a second one added would make TensorFlow prepare the first again. */
function traced(options: RuntimeOptions): Execution {
  const sessions: Session[] = [];
  return {
    name: 'traced',
    async prepare(program, weights = {}) {
      const session = new Session(options);
      sessions.push(session);
      const variables = mapValues(weights, ({ shape }, name) => session.variable(name, shape));
      const names = new Map(Object.entries(variables).map(([name, variable]) => [variable, name]));
      const compiled = new CompiledProgram(session, program, variables);
      await new VariableStore(session, Object.values(variables)).write(
        (variable) => weights[names.get(variable)!]!,
      );
      return (inputs) => compiled.call(inputs);
    },
    async close() {
      await Promise.all(sessions.splice(0).map((session) => session.close()));
    },
  };
}
