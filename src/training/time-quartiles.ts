import { type Tensor, tf } from '../tensorflow/index.js';

const quartiles = [1, 2, 3, 4] as const;
const sumOf = (quartile: number) => `sum of quartile ${quartile}`;
const shareOf = (quartile: number) => `share of quartile ${quartile}`;

/**
 * The parts that samples of each quarter of the time from 0 to 1 have in the mean loss, and their shares of the batch.
 * Both are means over the batch, so that means over parts, workers and steps are right.
 *
 * @param losses [batch]
 * @param times [batch]
 */
export function quartileSums(losses: Tensor, times: Tensor): Record<string, Tensor> {
  const bounds = (quartile: number) =>
    tf.tidy(() => {
      const above = times.greaterEqual((quartile - 1) / 4);
      return (quartile === 4 ? above : above.logicalAnd(times.less(quartile / 4))).toFloat();
    });
  return Object.fromEntries(
    quartiles.flatMap((quartile) => {
      const inside = bounds(quartile);
      return [
        [sumOf(quartile), losses.mul(inside).mean()],
        [shareOf(quartile), inside.mean()],
      ];
    }),
  );
}

/**
 * Figures with, in the place of those of `quartileSums`, the mean loss in each quarter of the time: `lossQuartile1`, the
 * noisiest, to `lossQuartile4`. One in which no sample fell is left out.
 */
export function withQuartiles(means: Readonly<Record<string, number>>): Record<string, number> {
  const own = new Set(quartiles.flatMap((quartile) => [sumOf(quartile), shareOf(quartile)]));
  const others = Object.entries(means).filter(([name]) => !own.has(name));
  const losses = quartiles.flatMap((quartile): [string, number][] => {
    const share = means[shareOf(quartile)] ?? 0;
    return share === 0 ? [] : [[`lossQuartile${quartile}`, means[sumOf(quartile)]! / share]];
  });
  return Object.fromEntries([...others, ...losses]);
}
