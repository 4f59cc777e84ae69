import { fileURLToPath } from 'node:url';
import { refuseBundles, UserError } from '../base/errors.js';

// The first module that an entry loads.
refuseBundles((import.meta as { url?: string }).url, 'door');

type Callable = (...args: unknown[]) => unknown;
type Class = abstract new (...args: never) => { readonly constructor: unknown };

const root = new URL('..', import.meta.url);
const ours = [root.href, fileURLToPath(root)];

/**
 * The exports of an entry of the package as programs get them, whose calls end in a UserError `argument` where what they
 * were given cannot be used. Programs without types may pass anything. Errors of the caller's own callbacks pass.
 */
export function behindDoor<Exports extends Readonly<Record<string, unknown>>>(exports: Exports): Exports {
  const entries = Object.entries(exports).map(([name, value]) => {
    if (typeof value !== 'function') return [name, value];
    if (isClass(value)) guardMethods(name, value);
    return [name, door(name, value as Callable)];
  });
  return Object.fromEntries(entries) as Exports;
}

/** The function, or the class with its static methods. */
function door(name: string, target: Callable): Callable {
  return new Proxy(target, {
    apply: (of, self, args: unknown[]) => guarded(name, args, () => Reflect.apply(of, self, args)),
    construct: (of, args: unknown[], newTarget) =>
      guarded(name, args, () => Reflect.construct(of, args, newTarget) as object) as object,
    get: (of, key, receiver) => {
      const value: unknown = Reflect.get(of, key, receiver);
      const isStatic = isClass(of) && typeof value === 'function' && Object.hasOwn(of, key);
      return isStatic ? door(`${name}.${String(key)}`, value as Callable) : value;
    },
  });
}

/** Guards the methods of a class in place: instances stay what they are. */
function guardMethods(name: string, { prototype }: Class): void {
  for (const [key, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
    const method: unknown = descriptor.value;
    if (key === 'constructor' || typeof method !== 'function') continue;
    const value = function (this: unknown, ...args: unknown[]): unknown {
      return guarded(`${name}.${key}`, args, () => Reflect.apply(method as Callable, this, args));
    };
    Object.defineProperty(prototype, key, { ...descriptor, value });
  }
}

const isClass = (value: object): value is Class =>
  typeof value === 'function' && Function.prototype.toString.call(value).startsWith('class');

function guarded(name: string, args: readonly unknown[], call: () => unknown): unknown {
  const refuse = (error: unknown): never => {
    throw isRefusal(error) ? refusal(name, args, error) : error;
  };
  try {
    const result = call();
    return result instanceof Promise ? result.catch(refuse) : result;
  } catch (error) {
    return refuse(error);
  }
}

/** True of errors of the language and of tfjs that arose in this package, not in functions that the caller passed. */
function isRefusal(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  const isTfjs = error.constructor === Error && (frames[0] ?? '').includes('@tensorflow');
  if (!(error instanceof TypeError || error instanceof RangeError || isTfjs)) return false;
  const isOurs = (frame: string) => ours.some((path) => frame.includes(path));
  const first = frames.find((frame) => isOurs(frame) || !/node:|node_modules|<anonymous>|native/.test(frame));
  return first === undefined || isOurs(first);
}

function refusal(name: string, args: readonly unknown[], cause: Error): UserError {
  const given = args.length === 0 ? 'nothing' : args.map(kindOf).join(', ');
  return new UserError({
    code: 'argument',
    message: `\`${name}\` cannot use what it was given (${given}): ${cause.message}`,
    remedy: 'Its types say what it takes.',
    cause,
  });
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined || typeof value === 'number') return String(value);
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
