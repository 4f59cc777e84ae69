import { distance } from 'fastest-levenshtein';

/** `a`, `a or b`, `a, b or c`. */
export function oneOf(items: readonly string[], conjunction = 'or'): string {
  const last = items.at(-1) ?? '';
  return items.length < 2 ? last : `${items.slice(0, -1).join(', ')} ${conjunction} ${last}`;
}

/** A key or value as it is shown in a sentence. */
export const code = (value: unknown): string =>
  `\`${typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value)}\``;

/** The candidate that was probably meant, if one is near: at most two of five letters are wrong. */
export function nearest(found: string, candidates: readonly string[]): string | undefined {
  const lower = found.toLowerCase();
  const best = candidates
    .map((candidate) => ({ candidate, away: distance(lower, candidate.toLowerCase()) }))
    .sort((a, b) => a.away - b.away)[0];
  if (!best) return undefined;
  const tolerated = Math.max(1, Math.round(Math.max(found.length, best.candidate.length) * 0.4));
  return best.away <= tolerated ? best.candidate : undefined;
}

/** "Did you mean …?" where a candidate is near, otherwise all of them. */
export function suggestion(found: string, candidates: readonly string[], noun: string): string | undefined {
  const near = nearest(found, candidates);
  if (near !== undefined) return `Did you mean ${code(near)}?`;
  return listed(candidates, noun);
}

/** All candidates, if there are any. */
export function listed(candidates: readonly string[], noun: string): string | undefined {
  return candidates.length === 0 ? undefined : `${noun}: ${candidates.map(code).join(', ')}.`;
}
