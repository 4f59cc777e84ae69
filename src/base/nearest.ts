import { distance } from 'fastest-levenshtein';

/** The candidate that was probably meant, if one is near: at most two of five letters are wrong, or `most`. */
export function nearest(found: string, candidates: readonly string[], most = Infinity): string | undefined {
  const lower = found.toLowerCase();
  const best = candidates
    .map((candidate) => ({ candidate, away: distance(lower, candidate.toLowerCase()) }))
    .sort((a, b) => a.away - b.away)[0];
  if (!best) return undefined;
  const tolerated = Math.max(1, Math.round(Math.max(found.length, best.candidate.length) * 0.4));
  return best.away <= Math.min(tolerated, most) ? best.candidate : undefined;
}
