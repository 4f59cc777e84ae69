/**
 * Every value that a dotted path leads to, `*` standing for every member of an object or element of an array.
 * A key that itself contains dots is found when the whole path names it.
 */
export function valuesAt(record: unknown, path: string): unknown[] {
  if (isObject(record) && Object.hasOwn(record, path)) return [record[path]];
  return path
    .split('.')
    .reduce<unknown[]>((values, key) => values.flatMap((value) => membersOf(value, key)), [record]);
}

function membersOf(value: unknown, key: string): unknown[] {
  if (!isObject(value)) return [];
  if (key === '*') return Object.values(value);
  return Object.hasOwn(value, key) ? [value[key]] : [];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
