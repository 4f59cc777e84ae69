import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { metricsName, type MetricsRecord, readMetrics, speedName } from '../../formats/metrics-log.js';
import { checkpointsName } from './files.js';

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

/**
 * Loss of a training as of a step, as its output would have it that ended there; nothing where it has not come so far. It
 * follows from the records up to that step alone: neither interruptions nor what came later change it.
 */
export async function lossAt(
  directory: string,
  step: number,
): Promise<{ readonly loss: number } | undefined> {
  const records = await readMetrics(join(directory, metricsName));
  const logged = records.at(-1)?.step ?? 0;
  if (logged < step && (await savedStep(join(directory, checkpointsName))) < step) return undefined;
  const loss = lossAtTheEnd(
    records.filter((record) => record.step <= step),
    step,
  );
  return loss === undefined ? undefined : { loss };
}

/** Step of the newest checkpoint in a folder; 0 where there is none. */
async function savedStep(folder: string): Promise<number> {
  const names = await readdir(folder).catch(() => []);
  return Math.max(0, ...names.map((name) => Number(/^step-(\d+)$/.exec(name)?.[1] ?? 0)));
}

/** The loss, and its parts where it has several. */
export const lossNames = [
  'loss',
  'totalLoss',
  'teacherLoss',
  'directionLoss',
  'selfAlignmentLoss',
  'featureAlignmentLoss',
] as const;

/** Mean of a loss over the last tenth of the steps, or over the last record where that is longer. A part that has ended before has none. */
export function lossAtTheEnd(
  records: readonly MetricsRecord[],
  steps: number,
  name: (typeof lossNames)[number] = 'loss',
): number | undefined {
  if (!records.some((record) => name in record)) return undefined;
  let [sum, taken, looked] = [0, 0, 0];
  // Evaluations have steps of their own.
  const logged = records.filter((record) => 'learningRate' in record || 'loss' in record);
  for (const [i, record] of [...logged.entries()].reverse()) {
    const before = logged[i - 1]?.step ?? 0;
    if (looked > 0 && before < 0.9 * steps) break;
    if (record.loss === undefined) continue;
    looked += record.step - before;
    const loss = record[name];
    if (loss === undefined) continue;
    sum += loss * (record.step - before);
    taken += record.step - before;
  }
  return taken === 0 ? undefined : sum / taken;
}
