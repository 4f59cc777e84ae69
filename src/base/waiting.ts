import { readdir } from 'node:fs/promises';
import { readWholeText } from './files.js';

/** Times of this process's threads by their ids, in nanoseconds: on a processor, and in wait for one. */
export type ThreadTimes = ReadonlyMap<string, readonly [ran: number, waited: number]>;

const threads = '/proc/self/task';

/** Times of this process's threads so far; none where the system does not tell them, as Linux does. */
export async function threadTimes(): Promise<ThreadTimes> {
  const ids = await readdir(threads).catch(() => []);
  const all = await Promise.all(
    ids.map(async (id) => {
      // A thread may end in the meantime.
      const text = await readWholeText(`${threads}/${id}/schedstat`).catch(() => undefined);
      const [ran, waited] = (text ?? '').split(' ').map(Number);
      return ran === undefined || waited === undefined ? [] : [[id, [ran, waited]] as const];
    }),
  );
  return new Map(all.flat());
}

/**
 * Share of the time in which this process's threads had work that they waited for a processor, which other programs had:
 * 0 on a quiet machine, 0.5 where another program is always as busy.
 */
export function waitedShare(before: ThreadTimes, after: ThreadTimes): number {
  let [ran, waited] = [0, 0];
  for (const [id, [ranNow, waitedNow]] of after) {
    const [ranThen, waitedThen] = before.get(id) ?? [0, 0];
    ran += ranNow - ranThen;
    waited += waitedNow - waitedThen;
  }
  return ran + waited > 0 ? waited / (ran + waited) : 0;
}
