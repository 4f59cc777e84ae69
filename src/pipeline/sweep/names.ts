import type { Json } from '../stage.js';

/** For each dotted key the shortest end of it that no other key has: `mediators` for `stages.train.model.mediators`. */
export function shortNames(keys: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    keys.map((key) => {
      const parts = key.split('.');
      for (let length = 1; length < parts.length; length++) {
        const end = parts.slice(-length).join('.');
        if (keys.filter((other) => other === end || other.endsWith(`.${end}`)).length === 1)
          return [key, end];
      }
      return [key, key];
    }),
  );
}

/** A swept value in few characters. */
export function formatValue(value: Json | undefined): string {
  if (value === undefined) return '';
  if (value === null) return '(removed)';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** What tells a trial from the others: `mediators 16, seed 1`. */
export function describeValues(
  values: Readonly<Record<string, Json>>,
  names: ReadonlyMap<string, string>,
): string {
  return Object.entries(values)
    .map(([key, value]) => `${names.get(key) ?? key} ${formatValue(value)}`)
    .join(', ');
}
