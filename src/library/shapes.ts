/** Shape of a value as its type tells it, in places of the list of shapes where it is made of others; `true` of any. */
type Shape =
  | true
  /** Result of `typeof`, or null. */
  | string
  | { readonly value: unknown }
  | { readonly oneOf: readonly number[] }
  | { readonly list: number }
  | { readonly tuple: readonly number[]; readonly least: number }
  /** Name of a class of the language. */
  | { readonly is: string }
  | { readonly keys: Readonly<Record<string, number>>; readonly others?: number };

interface Parameter {
  readonly name: string;
  readonly shape: number;
  readonly optional?: true;
  readonly rest?: true;
}

/** Parameters of the functions of an entry, as `tools/door-shapes.mjs` reads it from their types. */
export interface Shapes {
  /** Parameters by the function's name, one list a signature; methods as `Class.method`. */
  readonly functions: Readonly<Record<string, readonly (readonly Parameter[])[]>>;
  readonly shapes: readonly Shape[];
}

/** Levels of a value that are looked at: what is deeper is taken to be right. */
const deepest = 4;

/**
 * First thing in which arguments differ from what the types of a function say, as a clause; undefined where they are what
 * it takes, or where its types are not known.
 */
export function misfitOf(
  name: string,
  args: readonly unknown[],
  { functions, shapes }: Shapes,
): string | undefined {
  const signatures = functions[name];
  if (signatures === undefined) return undefined;
  const misfits = signatures.map((parameters) => {
    for (const [i, { name: parameter, shape, optional, rest }] of parameters.entries()) {
      const value: unknown = rest ? args.slice(i) : args[i];
      if (optional && value === undefined) continue;
      const misfit = check(value, shape, parameter, 0);
      if (misfit !== undefined) return misfit;
    }
    return undefined;
  });
  return misfits.includes(undefined) ? undefined : misfits[0];

  function check(value: unknown, place: number, path: string, depth: number): string | undefined {
    const shape = shapes[place]!;
    if (depth > deepest) return undefined;
    if (typeof shape === 'object' && 'oneOf' in shape) {
      const tried = shape.oneOf.map((each) => check(value, each, path, depth));
      if (tried.includes(undefined)) return undefined;
      // Where the value is like one alternative, what is wrong in it is told.
      const alike = tried.filter((_, i) => isLike(value, shapes[shape.oneOf[i]!]!));
      if (alike.length === 1) return alike[0];
    } else if (isLike(value, shape)) {
      for (const [part, partPlace, name] of partsOf(value, shape)) {
        const misfit = check(part, partPlace, path + name, depth + 1);
        if (misfit !== undefined) return misfit;
      }
      return undefined;
    }
    return `\`${path}\` must be ${described(shape)}; ${found(value)} was found`;
  }

  /** True of a value that is of the kind of the shape, whatever its parts are. */
  function isLike(value: unknown, shape: Shape): boolean {
    if (shape === true) return true;
    if (typeof shape === 'string') return (value === null ? 'null' : typeof value) === shape;
    if ('value' in shape) return value === shape.value;
    if ('oneOf' in shape) return shape.oneOf.some((each) => isLike(value, shapes[each]!));
    if ('list' in shape) return Array.isArray(value);
    if ('tuple' in shape) return Array.isArray(value) && value.length >= shape.least;
    const isObject = (typeof value === 'object' && value !== null) || typeof value === 'function';
    return 'is' in shape ? isObject && isInstance(value, shape.is) : isObject;
  }

  function described(shape: Shape): string {
    if (shape === true) return 'anything';
    if (typeof shape === 'string') return words[shape] ?? shape;
    if ('value' in shape) return JSON.stringify(shape.value);
    if ('oneOf' in shape)
      return [...new Set(shape.oneOf.map((each) => described(shapes[each]!)))]
        .filter((each, _, { length }) => each !== 'undefined' || length === 1)
        .join(' or ');
    if ('list' in shape) return 'a list';
    if ('tuple' in shape) return `a list of ${String(shape.tuple.length)}`;
    return 'is' in shape ? `of the class ${shape.is}` : 'an object';
  }
}

/** Parts of a value that have shapes of their own: value, place of the shape, and what follows the value's path. */
function* partsOf(value: unknown, shape: Shape): Generator<readonly [unknown, number, string]> {
  if (typeof shape !== 'object') return;
  if ('list' in shape)
    for (const [i, part] of (value as unknown[]).entries()) yield [part, shape.list, `[${String(i)}]`];
  else if ('tuple' in shape)
    for (const [i, part] of (value as unknown[]).entries())
      if (i < shape.tuple.length) yield [part, shape.tuple[i]!, `[${String(i)}]`];
  if (!('keys' in shape)) return;
  const object = value as Readonly<Record<string, unknown>>;
  for (const [key, place] of Object.entries(shape.keys)) yield [object[key], place, `.${key}`];
  if (shape.others === undefined) return;
  for (const key of Object.keys(object))
    if (!Object.hasOwn(shape.keys, key)) yield [object[key], shape.others, `.${key}`];
}

const words: Readonly<Record<string, string>> = {
  ...{ number: 'a number', string: 'a text', boolean: 'true or false', function: 'a function' },
  object: 'an object',
};

/** True of instances of the class, also of one from another realm. */
const isInstance = (value: unknown, name: string): boolean => {
  for (let at: unknown = value; at !== null && at !== undefined; at = Object.getPrototypeOf(at))
    if ((at as { constructor?: { name?: string } }).constructor?.name === name) return true;
  return false;
};

function found(value: unknown): string {
  if (typeof value === 'string') return value === '' ? 'an empty text' : 'a text';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' && value !== null
    ? 'an object'
    : typeof value === 'function'
      ? 'a function'
      : String(value);
}
