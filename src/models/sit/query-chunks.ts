/** Scores of queries towards keys that are computed at a time: 128 MiB of them. */
export const scoresAtOnce = 2 ** 25;

/**
 * Into how many chunks full attention divides its queries: the least divisor of their number with which there are no more
 * than `atOnce` scores at a time.
 *
 * @param tables tables of scores, `tokens` by `tokens` each: one for each head of each sample
 */
export function queryChunks(tables: number, tokens: number, atOnce = scoresAtOnce): number {
  const wanted = Math.min((tables * tokens ** 2) / atOnce, tokens);
  let chunks = 1;
  while (tokens % chunks !== 0 || chunks < wanted) chunks++;
  return chunks;
}
