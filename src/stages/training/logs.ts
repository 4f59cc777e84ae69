import { join } from 'node:path';
import { lossesName, metricsName, readMetrics, speedName } from '../../formats/metrics-log.js';
import type { MetricsRecord } from '../../formats/metrics-log.js';
import { stepsIn } from '../../training/step-names.js';
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
 * follows from the windows up to that step alone: neither interruptions, nor what came later, nor what was logged change it.
 */
export async function lossAt(
  directory: string,
  step: number,
): Promise<{ readonly loss: number } | undefined> {
  const windows = await readLosses(directory);
  const reached = windows.at(-1)?.step ?? 0;
  const saved = (await stepsIn(join(directory, checkpointsName))).at(-1) ?? 0;
  if (reached < step && saved < step) return undefined;
  const loss = lossAtTheEnd(
    windows.filter((window) => window.step <= step),
    step,
  );
  return loss === undefined ? undefined : { loss };
}

/** Losses of a training, by windows of steps; of one that an earlier version made, those that it logged. */
export async function readLosses(directory: string): Promise<readonly MetricsRecord[]> {
  const windows = await readMetrics(join(directory, lossesName));
  if (windows.length > 0) return windows;
  // Evaluations have records of their own.
  const logged = await readMetrics(join(directory, metricsName));
  return logged.filter((record) => 'learningRate' in record || 'loss' in record);
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

/** Those of some figures that are losses. */
export function lossesOf(figures: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(
    lossNames.filter((name) => name in figures).map((name) => [name, figures[name]!]),
  );
}

/**
 * True at the last step of a window over which losses are kept: of one step up to 1,000, then of 10 up to 10,000, and so
 * on. So each has at most a hundredth of the steps until then, and is the same however long the training is.
 */
export function endsWindow(step: number): boolean {
  return step % 10 ** Math.max(0, String(step - 1).length - 3) === 0;
}

/** Mean of a loss over the last tenth of the steps, or over the last window where that is longer. A part that has ended before has none. */
export function lossAtTheEnd(
  windows: readonly MetricsRecord[],
  steps: number,
  name: (typeof lossNames)[number] = 'loss',
): number | undefined {
  let [sum, taken, looked] = [0, 0, 0];
  for (const [i, window] of [...windows.entries()].reverse()) {
    const before = windows[i - 1]?.step ?? 0;
    if (looked > 0 && before < 0.9 * steps) break;
    if (window.loss === undefined) continue;
    looked += window.step - before;
    const loss = window[name];
    if (loss === undefined) continue;
    sum += loss * (window.step - before);
    taken += window.step - before;
  }
  return taken === 0 ? undefined : sum / taken;
}
