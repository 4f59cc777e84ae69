/** Characters of JSON from which a part is worth a function of its own. */
const worthHoisting = 400;

const isMap = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Keywords whose values are schemas by name. */
const namesSchemas = new Set(['properties']);
/** Keywords whose values are schemas, or lists of them. */
const holdsSchemas = new Set(['items', 'additionalProperties', 'propertyNames', 'then', 'else', 'allOf']);

/** A schema that refers to parts of it by name. */
export interface Hoisted {
  readonly schema: object;
  readonly parts: ReadonlyMap<string, object>;
}

/**
 * The same schema with its larger parts apart, each once. Ajv makes a function of each: the program is a fraction as
 * long, and what a file does not use is never compiled.
 */
export function hoisted(schema: object): Hoisted {
  const names = new Map<string, string>();
  const parts = new Map<string, object>();

  const part = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(part);
    if (!isMap(value)) return value;
    const inner = within(value);
    const text = JSON.stringify(inner);
    if (text.length < worthHoisting) return inner;
    let name = names.get(text);
    if (name === undefined) {
      name = `part${names.size}`;
      names.set(text, name);
      parts.set(name, inner);
    }
    const { description } = inner;
    return { $ref: name, ...(description !== undefined && { description }) };
  };
  const within = (value: Readonly<Record<string, unknown>>): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(value).map(([keyword, each]) => {
        if (namesSchemas.has(keyword) && isMap(each))
          return [keyword, Object.fromEntries(Object.entries(each).map(([key, own]) => [key, part(own)]))];
        return [keyword, holdsSchemas.has(keyword) ? part(each) : each];
      }),
    );
  return { schema: within(schema as Readonly<Record<string, unknown>>), parts };
}
