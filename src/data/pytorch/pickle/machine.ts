import { PickleError } from './cursor.js';

/** What a pickle's global name stands for here: never code of the pickle's own. */
export type PickleGlobal = (...args: unknown[]) => unknown;

/** What the creator of a pickle left to its reader. */
export interface PickleHost {
  /** The meaning of a global; throws for one that is not known to be harmless. */
  global(module: string, name: string): unknown;
  /** An object that is kept outside the pickle. */
  persistent(id: unknown): unknown;
}

/** The object of a class with attributes: an `argparse.Namespace`. */
export class PickledAttributes extends Map<unknown, unknown> {}

export { PickleError };

/**
 * What a pickle may make: a container costs as much as eight other values. A checkpoint's pickle takes about 60 for a
 * tensor.
 */
const budget = 2 ** 22;
const containerCost = 8;

/** The pickle virtual machine's memory: a stack with marks, and a table of remembered objects. */
export class Machine {
  readonly host: PickleHost;
  readonly memo = new Map<number, unknown>();
  readonly #stack: unknown[] = [];
  readonly #marks: number[] = [];
  #left = budget;

  constructor(host: PickleHost) {
    this.host = host;
  }

  push(value: unknown): void {
    this.#left -= Array.isArray(value) || value instanceof Map ? containerCost : 1;
    if (this.#left < 0) throw new PickleError('it holds too many values');
    this.#stack.push(value);
  }

  pop(): unknown {
    if (this.#stack.length === 0) throw new PickleError('its stack runs empty');
    return this.#stack.pop();
  }

  get top(): unknown {
    if (this.#stack.length === 0) throw new PickleError('its stack runs empty');
    return this.#stack.at(-1);
  }

  mark(): void {
    if (this.#marks.length >= budget / containerCost) throw new PickleError('it holds too many marks');
    this.#marks.push(this.#stack.length);
  }

  popToMark(): unknown[] {
    const mark = this.#marks.pop();
    if (mark === undefined) throw new PickleError('a mark is missing');
    return this.#stack.splice(mark);
  }

  remembered(index: number): unknown {
    if (!this.memo.has(index)) throw new PickleError(`nothing is remembered as ${index}`);
    return this.memo.get(index);
  }

  /** Calls a global that the host allowed. */
  call(callee: unknown, args: unknown): unknown {
    if (typeof callee !== 'function' || !Array.isArray(args))
      throw new PickleError('it calls what is no function');
    return (callee as PickleGlobal)(...(args as unknown[]));
  }

  setItems(target: unknown, items: readonly unknown[]): void {
    if (!(target instanceof Map)) throw new PickleError('it sets items of what is no dictionary');
    for (let i = 0; i + 1 < items.length; i += 2) target.set(items[i], items[i + 1]);
  }

  appendItems(target: unknown, items: readonly unknown[]): void {
    if (!Array.isArray(target)) throw new PickleError('it appends to what is no list');
    for (const item of items) target.push(item);
  }

  /** Gives an object its attributes; those of a dictionary (PyTorch's `_metadata`) mean nothing to us. */
  build(target: unknown, state: unknown): void {
    if (!(target instanceof PickledAttributes)) return;
    if (!(state instanceof Map)) throw new PickleError("an object's attributes are no dictionary");
    for (const [key, value] of state) target.set(key, value);
  }
}

/** What a key, or a part of a path, is called. Lists may hold themselves, or each other many times over: they are no text. */
export function textOf(value: unknown): string {
  if (Array.isArray(value) && value.length <= 16 && value.every((item) => !isObject(item)))
    return value.join();
  if (isObject(value)) throw new PickleError('a name in it is no text');
  return String(value);
}

const isObject = (value: unknown): boolean =>
  (typeof value === 'object' && value !== null) || typeof value === 'function';
