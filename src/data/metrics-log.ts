import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { asUserError } from '../files/file-errors.js';
import { writeFileWhole } from '../files/output-file.js';

/** One line of `metrics.jsonl`: figures as of a step. */
export interface MetricsRecord {
  readonly step: number;
  readonly [figure: string]: number;
}

/** Name of the file that a training stage logs to. */
export const metricsName = 'metrics.jsonl';

/** Name of the file in which it says how fast it was: what depends on the machine and the moment. */
export const speedName = 'speed.jsonl';

/** Appends one record. */
export async function appendMetrics(path: string, record: MetricsRecord): Promise<void> {
  await appendFile(path, JSON.stringify(record) + '\n').catch((error: unknown) => {
    throw asUserError(error, path);
  });
}

/** All complete records of a log; none where there is no file. */
export async function readMetrics(path: string): Promise<MetricsRecord[]> {
  const text = await readFile(path, 'utf8').catch(() => '');
  // Only lines that end are complete: the last one may have been cut off.
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as MetricsRecord);
}

/** Drops what was logged after `step`, so that a run which resumes there repeats no line. */
export async function rewindMetrics(path: string, step: number): Promise<void> {
  const records = (await readMetrics(path)).filter((record) => record.step <= step);
  await writeFileWhole(path, records.map((record) => JSON.stringify(record) + '\n').join(''));
}

/** A training's figures with those of its speed at the same steps; without the times of the records. */
export async function readAllMetrics(directory: string): Promise<MetricsRecord[]> {
  const [metrics, speed] = await Promise.all(
    [metricsName, speedName].map((name) => readMetrics(join(directory, name))),
  );
  const speeds = new Map(speed!.map((record) => [record.step, record]));
  return metrics!.map((record) => {
    const all = { ...record, ...speeds.get(record.step) };
    delete all.timeSeconds;
    return all;
  });
}
