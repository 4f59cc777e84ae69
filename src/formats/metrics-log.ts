import { createHash } from 'node:crypto';
import { basename, join } from 'node:path';
import { appendPlain, asUserError, openFile, readWhole } from '../base/files.js';
import { counted } from '../base/format.js';
import { readInputText, sha256Of } from '../base/input-file.js';
import { type FileSeal, writeFileWhole } from '../base/output-file.js';
import { DamagedRecord, noRecord, type TellDamaged, tellDamaged } from '../base/sealed.js';

/** One line of `metrics.jsonl`: figures as of a step. */
export interface MetricsRecord {
  readonly step: number;
  readonly [figure: string]: number;
}

/** Name of the file that a training stage logs to. */
export const metricsName = 'metrics.jsonl';

/** Name of the file of its losses by windows of steps, whatever it logs. */
export const lossesName = 'losses.jsonl';

/** Name of the file in which it says how fast it was: what depends on the machine and the moment. */
export const speedName = 'speed.jsonl';

/** A log that a training appends to: a line a record. */
export class MetricsLog {
  private readonly hash = createHash('sha256');
  private bytes = 0;

  constructor(readonly path: string) {}

  /**
   * Begins, or goes on after `step`: what was logged of later steps is dropped, so that a training that resumes there
   * repeats no line. Gives the steps that are left.
   *
   * @param seal of the log as it was at that step, where that is known: a log that is another one is reported to `warn`
   */
  async resume(
    step: number,
    seal?: FileSeal,
    warn: (message: string) => void = () => undefined,
  ): Promise<number[]> {
    const found = await readWhole(this.path).catch(() => Buffer.alloc(0));
    const sealed = found.subarray(0, seal?.bytes ?? 0);
    const isWhole = sealed.length === seal?.bytes && sha256Of(sealed) === seal.sha256;
    const kept = isWhole ? sealed : Buffer.from(linesUpTo(step, found.toString()).join(''));
    const steps = linesUpTo(step, kept.toString()).map((line) => (JSON.parse(line) as MetricsRecord).step);
    if (seal !== undefined && !isWhole)
      warn(
        `${basename(this.path)} is not as it was at step ${step}: ${seal.bytes} bytes were logged until then, and ${kept.length} bytes are left${steps.length > 0 ? `, until step ${steps.at(-1)}` : ''}. What is missing stays away; the training itself is not concerned.`,
      );
    await writeFileWhole(this.path, kept);
    this.take(kept);
    return steps;
  }

  /** Appends one record. */
  async append(record: MetricsRecord): Promise<void> {
    const line = Buffer.from(`${JSON.stringify(record)}\n`);
    await appendPlain(this.path, line).catch((error: unknown) => {
      throw asUserError(error, this.path);
    });
    this.take(line);
  }

  /** Makes what was appended so far durable, and tells it apart from any other. */
  async seal(): Promise<FileSeal> {
    try {
      const file = await openFile(this.path, 'r+');
      await file.sync().finally(() => file.close());
    } catch (error) {
      throw asUserError(error, this.path);
    }
    return { bytes: this.bytes, sha256: this.hash.copy().digest('hex') };
  }

  private take(bytes: Uint8Array): void {
    this.hash.update(bytes);
    this.bytes += bytes.byteLength;
  }
}

/**
 * Reads all whole records of a log, those of one step as one; none where there is no file.
 *
 * @param sha256 of the log of a finished training: where it is another, there are no records
 * @param tell told of a log, or lines of it, that are damaged; the last line may still be being written
 */
export async function readMetrics(
  path: string,
  sha256?: string,
  tell: TellDamaged = tellDamaged,
): Promise<MetricsRecord[]> {
  try {
    const text = await readInputText(path).catch(noRecord);
    if (text === undefined && sha256 === undefined) return [];
    if (text === undefined) throw new DamagedRecord('is missing');
    if (sha256 !== undefined && sha256Of(Buffer.from(text)) !== sha256)
      throw new DamagedRecord('is not what was written');
    const lines = linesUpTo(Infinity, text);
    const all = text.split('\n').slice(0, -1);
    if (lines.length < all.length)
      tell(path, `${counted(all.length - lines.length, 'line')} of ${all.length} are no records`, leftOut);
    const records: MetricsRecord[] = [];
    for (const line of lines) {
      const record = JSON.parse(line) as MetricsRecord;
      const last = records.at(-1);
      if (last?.step === record.step) records[records.length - 1] = { ...last, ...record };
      else records.push(record);
    }
    return records;
  } catch (error) {
    if (!(error instanceof DamagedRecord)) throw error;
    tell(path, error, leftOut);
    return [];
  }
}

const leftOut = 'these figures are left out';

/**
 * Lines, each with its end, that hold records up to a step. The last line may have been cut off, and a machine that
 * crashed may leave others that are none.
 */
function linesUpTo(step: number, text: string): string[] {
  return text.split(/(?<=\n)/).filter((line) => line.endsWith('\n') && isUpTo(step, line));
}

function isUpTo(step: number, line: string): boolean {
  try {
    const record = JSON.parse(line) as Partial<MetricsRecord> | null;
    return typeof record?.step === 'number' && record.step <= step;
  } catch {
    return false;
  }
}

/**
 * A training's figures with those of its speed at the same steps; without the times of the records.
 *
 * @param files of its output, where that is finished: what the logs must be
 */
export async function readAllMetrics(
  directory: string,
  files: readonly { readonly path: string; readonly sha256: string }[] = [],
  tell: TellDamaged = tellDamaged,
): Promise<MetricsRecord[]> {
  const [metrics, speed] = await Promise.all(
    [metricsName, speedName].map((name) =>
      readMetrics(join(directory, name), files.find(({ path }) => path === name)?.sha256, tell),
    ),
  );
  const speeds = new Map(speed!.map((record) => [record.step, record]));
  return metrics!.map((record) => {
    const all = { ...record, ...speeds.get(record.step) };
    delete all.timeSeconds;
    return all;
  });
}
