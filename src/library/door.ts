import { AsyncLocalStorage } from 'node:async_hooks';
import { fileURLToPath } from 'node:url';
import { argumentError, refuseBundles, UserError } from '../base/errors.js';
import { readWholeTextSync } from '../base/files.js';
import { misfitOf, type Shapes } from './shapes.js';

// The first module that an entry loads.
refuseBundles((import.meta as { url?: string }).url, 'door');

type Callable = (...args: unknown[]) => unknown;
/** Name of a function, and its arguments. */
type Call = readonly [name: string, args: readonly unknown[]];
type Class = abstract new (...args: never) => { readonly constructor: unknown };

const root = new URL('..', import.meta.url);
const ours = [root.href, fileURLToPath(root)];
const here = [import.meta.url, fileURLToPath(import.meta.url)];

/**
 * The exports of an entry of the package as programs get them. Programs without types may pass anything: a call that
 * fails ends in a UserError `argument` where its arguments are not what its types say, and in an internal error where
 * they are. Errors of the caller's own callbacks pass.
 *
 * @param shapes file of what its functions take, which is read when a call has failed
 */
export function behindDoor<Exports extends Readonly<Record<string, unknown>>>(
  exports: Exports,
  shapes: URL,
): Exports {
  const guard = new Guard(shapes);
  const entries = Object.entries(exports).map(([name, value]) => {
    if (typeof value !== 'function') return [name, value];
    if (isClass(value)) guardMethods(name, value, guard);
    return [name, door(name, value as Callable, guard)];
  });
  return Object.fromEntries(entries) as Exports;
}

/** The function, or the class with its static methods. */
function door(name: string, target: Callable, guard: Guard): Callable {
  return new Proxy(target, {
    apply(of, self, args: unknown[]) {
      if (isClass(of)) throw argumentError(`\`${name}\` is a class, and was called without \`new\`.`);
      return guard.call(name, args, () => Reflect.apply(of, self, args));
    },
    construct: (of, args: unknown[], newTarget) => {
      const made = guard.call(name, args, () => Reflect.construct(of, args, newTarget) as object) as object;
      madeOf.set(made, [name, args]);
      return made;
    },
    get: (of, key, receiver) => {
      const value: unknown = Reflect.get(of, key, receiver);
      const isStatic = isClass(of) && typeof value === 'function' && Object.hasOwn(of, key);
      return isStatic ? door(`${name}.${String(key)}`, value as Callable, guard) : value;
    },
  });
}

/** Guards the methods of a class in place: instances stay what they are. */
function guardMethods(name: string, { prototype }: Class, guard: Guard): void {
  if (guarded.has(prototype as object)) return;
  guarded.add(prototype as object);
  for (const [key, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
    const method: unknown = descriptor.value;
    if (key === 'constructor' || typeof method !== 'function') continue;
    const value = function (this: unknown, ...args: unknown[]): unknown {
      const call = () => Reflect.apply(method as Callable, this, args);
      return guard.call(`${name}.${key}`, args, call, this);
    };
    Object.defineProperty(prototype, key, { ...descriptor, value });
  }
}

const isClass = (value: object): value is Class =>
  typeof value === 'function' && Function.prototype.toString.call(value).startsWith('class');

/** Set while a call through the door is under way: what this package calls of itself is no call of a program. */
const underWay = new AsyncLocalStorage<true>();

/** Arguments that objects were made of: what is wrong in them may show when a method is called. */
const madeOf = new WeakMap<object, Call>();
/** Classes that several entries have are guarded once. */
const guarded = new WeakSet<object>();

class Guard {
  constructor(private readonly shapes: URL) {}

  /** @param self object whose method it is */
  call(name: string, args: readonly unknown[], call: () => unknown, self?: unknown): unknown {
    const isNested = underWay.getStore() === true;
    const refuse = (error: unknown): never => {
      if (!aroseHere(error) || (isNested && !isCalledFromOutside(error))) throw error;
      const making = typeof self === 'object' && self !== null ? madeOf.get(self) : undefined;
      throw this.explained(making === undefined ? [[name, args]] : [[name, args], making], error);
    };
    try {
      const result = isNested ? call() : underWay.run(true, call);
      return result instanceof Promise ? result.catch(refuse) : result;
    } catch (error) {
      return refuse(error);
    }
  }

  private explained(calls: readonly Call[], cause: Error): Error {
    const shapes = JSON.parse(readWholeTextSync(this.shapes)) as Shapes;
    for (const [name, args] of calls) {
      const misfit = misfitOf(name, args, shapes);
      if (misfit !== undefined)
        return new UserError({
          code: 'argument',
          message: `\`${name}\` cannot use what it was given: ${misfit}.`,
          remedy: 'Its types say what it takes.',
          cause,
        });
    }
    return new Error(`Internal error in \`${calls[0]![0]}\`: ${cause.message}`, { cause });
  }
}

const framesOf = ({ stack = '' }: Error): string[] =>
  stack.split('\n').filter((line) => /^\s+at /.test(line));
const isOurs = (frame: string): boolean => ours.some((path) => frame.includes(path));
const isNobodys = (frame: string): boolean => /node:|node_modules|<anonymous>|native/.test(frame);

/** True of errors of the language and of tfjs that arose in this package, not in functions that the caller passed. */
function aroseHere(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  const frames = framesOf(error);
  const isTfjs = error.constructor === Error && (frames[0] ?? '').includes('@tensorflow');
  if (!(error instanceof TypeError || error instanceof RangeError || isTfjs)) return false;
  const first = frames.find((frame) => isOurs(frame) || !isNobodys(frame));
  return first === undefined || isOurs(first);
}

/** True where the stack shows that a function of the caller's made the call, such as a callback. */
function isCalledFromOutside(error: Error): boolean {
  const frames = framesOf(error);
  const isDoor = (frame: string) => here.some((path) => frame.includes(path));
  const door = frames.findIndex(isDoor);
  const caller = frames.slice(door).find((frame) => !isDoor(frame) && !isNobodys(frame));
  return door >= 0 && caller !== undefined && !isOurs(caller);
}
