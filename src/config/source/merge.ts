import { isNull, type Entry, type MapTree, type Tree } from './tree.js';

/**
 * A configuration laid over another one: maps are merged key by key, anything else is replaced, and nothing (`null`)
 * removes the key below it. A stage of another kind (`uses`) replaces the whole stage. Every value keeps its place; a
 * merged map has that of the upper one, and keys in the order of the lower one.
 */
export function merge(lower: Tree, upper: Tree): Tree {
  return new Merger().merge(lower, upper);
}

/** Merges each pair of maps once, however often aliases repeat them. */
class Merger {
  private readonly done = new Map<MapTree['entries'], Map<MapTree['entries'], MapTree['entries']>>();

  merge(lower: Tree, upper: Tree): Tree {
    if (lower.kind !== 'map' || upper.kind !== 'map' || isOtherKind(lower, upper)) return upper;
    return { ...upper, entries: this.entries(lower.entries, upper.entries) };
  }

  private entries(lower: MapTree['entries'], upper: MapTree['entries']): MapTree['entries'] {
    const others = this.done.get(lower) ?? new Map<MapTree['entries'], MapTree['entries']>();
    this.done.set(lower, others);
    const known = others.get(upper);
    if (known) return known;
    const merged = new Map<string, Entry>(lower);
    for (const [name, entry] of upper) {
      const below = lower.get(name);
      if (below && isNull(entry.value)) merged.delete(name);
      else merged.set(name, below ? { key: entry.key, value: this.merge(below.value, entry.value) } : entry);
    }
    others.set(upper, merged);
    return merged;
  }
}

function isOtherKind(lower: MapTree, upper: MapTree): boolean {
  const [before, now] = [lower, upper].map(({ entries }) => entries.get('uses')?.value);
  return before?.kind === 'scalar' && now?.kind === 'scalar' && before.value !== now.value;
}
