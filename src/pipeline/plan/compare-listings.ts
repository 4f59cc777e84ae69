import type { Listing } from '../store/listings.js';
import type { ChangedFiles } from './reasons.js';

/** Names that are kept of each sort of change. */
const named = 3;

/** In which files two inputs differ. Both are read once, side by side. */
export async function compareListings(before: Listing, now: Listing): Promise<ChangedFiles> {
  const changes = { changed: new Names(), added: new Names(), removed: new Names() };
  const [earlier, current] = [before[Symbol.asyncIterator](), now[Symbol.asyncIterator]()];
  let [was, is] = [await earlier.next(), await current.next()];
  while (was.done !== true || is.done !== true) {
    if (is.done === true || (was.done !== true && was.value[0] < is.value[0])) {
      changes.removed.add((was as IteratorYieldResult<readonly [string, string]>).value[0]);
      was = await earlier.next();
    } else if (was.done === true || is.value[0] < was.value[0]) {
      changes.added.add(is.value[0]);
      is = await current.next();
    } else {
      if (was.value[1] !== is.value[1]) changes.changed.add(is.value[0]);
      [was, is] = [await earlier.next(), await current.next()];
    }
  }
  const { changed, added, removed } = changes;
  return {
    changed: changed.count,
    added: added.count,
    removed: removed.count,
    names: [...changed.first, ...added.first, ...removed.first].slice(0, named),
  };
}

class Names {
  count = 0;
  readonly first: string[] = [];

  add(name: string): void {
    this.count++;
    if (this.first.length < named) this.first.push(name);
  }
}
