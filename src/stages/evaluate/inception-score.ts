import { type Rows, type StoredRows, inceptionScore } from '../../metrics/index.js';

/** As the ADM evaluator splits them; the last split may be smaller. */
const splitSize = 5000;
const batchSize = 512;

/** The Inception score of features in files: one split's probabilities are in memory at a time. */
export async function storedInceptionScore(
  { count, width, read }: StoredRows,
  probabilitiesOf: (features: Rows) => Promise<Rows>,
): Promise<number> {
  const scores: number[] = [];
  for (let start = 0; start < count; start += splitSize) {
    const end = Math.min(start + splitSize, count);
    const parts: Rows[] = [];
    for (let first = start; first < end; first += batchSize) {
      const rows = Math.min(batchSize, end - first);
      parts.push(await probabilitiesOf({ count: rows, width, data: await read(first, rows) }));
    }
    const classes = parts[0]!.width;
    const data = new Float32Array((end - start) * classes);
    let at = 0;
    for (const part of parts) {
      data.set(part.data, at);
      at += part.data.length;
    }
    scores.push(inceptionScore({ count: end - start, width: classes, data }));
  }
  return scores.reduce((sum, score) => sum + score, 0) / scores.length;
}
