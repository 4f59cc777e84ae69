import {
  float32,
  type HostTensor,
  int32,
  type MadeTensor,
  randomNormal,
  randomUniform,
  runEagerly,
  sizeOf,
  streamKey,
  type Tensor,
  type Tensor1D,
} from '../tensorflow/index.js';
import type { Parameter } from './parameter.js';

export * from './parameter.js';

/** Start values of all parameters, by name: functions of the seed and the name. */
export function initialize(parameters: readonly Parameter[], seed: number): Record<string, HostTensor> {
  const valueOf = initialValues(parameters, seed);
  return Object.fromEntries(parameters.map(({ name }) => [name, valueOf(name)]));
}

/** Initializes parameters as `initialize` does, each value made when it is asked for. */
export function initialValues(parameters: readonly Parameter[], seed: number): (name: string) => HostTensor {
  const made = madeValues(parameters, seed);
  return (name) => {
    const { program, inputs } = made(name);
    return runEagerly(program, inputs).value;
  };
}

/** Start values as `initialize` gives them, which sessions make for themselves. */
export function madeValues(parameters: readonly Parameter[], seed: number): (name: string) => MadeTensor {
  const named = new Map(parameters.map((parameter) => [parameter.name, parameter]));
  return (name) => madeValue(named.get(name)!, seed);
}

function madeValue({ name, shape, initial }: Parameter, seed: number): MadeTensor {
  const drawn = (numbers: (key: Tensor1D, first: Tensor1D) => Tensor): MadeTensor => ({
    program: ({ key, first }) => ({ value: numbers(key as Tensor1D, first as Tensor1D).reshape([...shape]) }),
    inputs: { key: streamKey(seed, `initial ${name}`), first: int32([1], Int32Array.of(0)) },
  });
  const filled = (number: number): MadeTensor => ({
    program: ({ number: one }) => ({ value: one!.tile([sizeOf(shape)]).reshape([...shape]) }),
    inputs: { number: float32([1], Float32Array.of(number)) },
  });
  switch (initial.kind) {
    case 'zeros':
      return filled(0);
    case 'ones':
      return filled(1);
    case 'constant':
      return filled(initial.value);
    case 'normal':
      return drawn((key, first) => randomNormal(key, first, 1, shape).mul(initial.std));
    case 'uniform':
      return drawn((key, first) =>
        randomUniform(key, first, 1, shape)
          .mul(2 * initial.bound)
          .sub(initial.bound),
      );
  }
}
