/** A tensor of a file of weights, read when asked for. */
export interface StoredTensor {
  readonly shape: readonly number[];
  /** Its elements in row-major order, as single precision whatever the file holds. */
  read(): Promise<Float32Array>;
}

/** Tensors by name. */
export type StateDict = ReadonlyMap<string, StoredTensor>;

/** What data-parallel training and compilation put before every name. */
const wrappers = /^(module\.|_orig_mod\.)+/;

/** A state dict without the prefix that all of its names share because the model was wrapped. */
export function unwrapped(state: StateDict): StateDict {
  const names = [...state.keys()];
  if (names.length === 0 || !names.every((name) => wrappers.test(name))) return state;
  return new Map([...state].map(([name, tensor]) => [name.replace(wrappers, ''), tensor]));
}
