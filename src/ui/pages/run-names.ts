import type { ConfigurationDifference } from '../../pipeline/runs/compare.js';
import type { Run } from '../../pipeline/runs/run.js';
import type { Json } from '../../pipeline/stage.js';
import { describeValues, shortNames } from '../../pipeline/sweep/names.js';

/** Keys that a name holds at most, and characters: a longer one would be read by nobody. */
const mostKeys = 3;
const longest = 48;

/**
 * A short name for each run: what it was set to differently, such as `mediators 4` and `mediators 16`, where that tells
 * all of them apart; otherwise when they began.
 */
export function runNames(
  runs: readonly Run[],
  differences: readonly ConfigurationDifference[],
): readonly string[] {
  const keys = tellingKeys(runs, differences);
  const names = shortNames(keys.map(({ key }) => key));
  const told = runs.map((_, i) =>
    describeValues(
      Object.fromEntries(keys.map(({ key, values }) => [key, (values[i] ?? 'none') as Json])),
      names,
    ),
  );
  const isShort = told.every((name) => name !== '' && name.length <= longest);
  return isShort && new Set(told).size === runs.length ? told : runs.map((run) => timeOf(run, runs));
}

/**
 * Of the keys that somebody wrote (a default may differ from that of an earlier version), all that differ, where these are
 * few; otherwise the first few that tell ever more runs apart.
 */
function tellingKeys(
  runs: readonly Run[],
  all: readonly ConfigurationDifference[],
): readonly ConfigurationDifference[] {
  const differences = all.filter(({ origins }) => origins.some((origin) => origin !== undefined));
  if (differences.length <= mostKeys) return differences;
  const apart = (keys: readonly ConfigurationDifference[]): number =>
    new Set(runs.map((_, i) => JSON.stringify(keys.map(({ values }) => values[i] ?? null)))).size;
  const telling: ConfigurationDifference[] = [];
  for (const difference of differences)
    if (apart([...telling, difference]) > apart(telling)) telling.push(difference);
  return telling.slice(0, mostKeys);
}

/** When a run began; with its pipeline where not all runs are of the same. */
export function timeOf({ id, record }: Run, runs: readonly Run[]): string {
  const time = id.slice(id.lastIndexOf('/') + 1).replace(/\.\d+Z/, '');
  return runs.every((other) => other.record.pipeline === record.pipeline)
    ? time
    : `${record.pipeline}/${time}`;
}
