import {
  float32,
  type HostTensor,
  int32,
  randomNormal,
  randomUniform,
  runEagerly,
  sizeOf,
  streamKey,
  type Tensor1D,
} from '../tensorflow/index.js';
import type { Parameter } from './parameter.js';

export * from './parameter.js';

/** Start values of all parameters, by name: functions of the seed and the name. */
export function initialize(parameters: readonly Parameter[], seed: number): Record<string, HostTensor> {
  return Object.fromEntries(parameters.map((parameter) => [parameter.name, initialValue(parameter, seed)]));
}

/** Initializes parameters as `initialize` does, each value made when it is asked for. */
export function initialValues(parameters: readonly Parameter[], seed: number): (name: string) => HostTensor {
  const named = new Map(parameters.map((parameter) => [parameter.name, parameter]));
  return (name) => initialValue(named.get(name)!, seed);
}

function initialValue({ name, shape, initial }: Parameter, seed: number): HostTensor {
  const size = sizeOf(shape);
  switch (initial.kind) {
    case 'zeros':
      return float32(shape, new Float32Array(size));
    case 'ones':
      return float32(shape, new Float32Array(size).fill(1));
    case 'normal':
      return draw(name, shape, seed, (key, first) => randomNormal(key, first, 1, shape).mul(initial.std));
    case 'uniform':
      return draw(name, shape, seed, (key, first) =>
        randomUniform(key, first, 1, shape)
          .mul(2 * initial.bound)
          .sub(initial.bound),
      );
  }
}

function draw(
  name: string,
  shape: readonly number[],
  seed: number,
  numbers: (key: Tensor1D, first: Tensor1D) => ReturnType<typeof randomNormal>,
): HostTensor {
  const { value } = runEagerly(
    ({ key, first }: { key: Tensor1D; first: Tensor1D }) => ({
      value: numbers(key, first).reshape([...shape]),
    }),
    { key: streamKey(seed, `initial ${name}`), first: int32([1], Int32Array.of(0)) },
  );
  return value;
}
