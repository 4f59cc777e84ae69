/**
 * Loads what keys stand for, in their order, with up to `bound` loads begun and not yet taken: for consumers that pull.
 * A load that fails ends the iteration when its turn comes.
 */
export async function* readAhead<Key, Loaded>(
  keys: Iterable<Key>,
  bound: number,
  load: (key: Key) => Promise<Loaded>,
): AsyncGenerator<Loaded> {
  const begun: Promise<Loaded>[] = [];
  for (const key of keys) {
    const loading = load(key);
    // A later failure must not go unhandled while an earlier load is waited for.
    loading.catch(() => undefined);
    begun.push(loading);
    if (begun.length >= bound) yield await begun.shift()!;
  }
  while (begun.length > 0) yield await begun.shift()!;
}
