import { join } from 'node:path';
import { readMetrics, speedName } from '../../formats/metrics-log.js';

/** Mean time of a step of a training, from its log; the first record is left out, as its steps prepare what others use. */
export async function stepSeconds(directory: string): Promise<number | undefined> {
  const [first, ...records] = await readMetrics(join(directory, speedName));
  let [sum, steps, before] = [0, 0, first?.step ?? 0];
  for (const { step, secondsPerStep } of records) {
    if (secondsPerStep !== undefined) {
      sum += secondsPerStep * (step - before);
      steps += step - before;
    }
    before = step;
  }
  return steps === 0 ? undefined : sum / steps;
}
