import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { appendPlain, asUserError, readWholeText } from '../../base/files.js';
import { isCutOff, sealLine, tellDamaged, unsealLine } from '../../base/sealed.js';

/** Record of a sample beside its picture. */
export interface SampleRecord {
  readonly sample: number;
  /** Steps after which it went on to the second phase, the third, and so on. */
  readonly switches?: readonly (number | null)[];
  /** Steps of its path. */
  readonly steps?: number;
  /** Likelihood under the model, in bits for each number of its latent. */
  readonly bitsPerDimension?: number;
  /** Mean absolute difference between its latent and the one that was carried to noise and drawn from there. */
  readonly roundTripError?: number;
}

const filePattern = /^records-(\d+)\.partial\.jsonl$/;

/** Records of samples while they are being made: a line each, so that an interrupted run loses none. */
export class SampleRecords {
  private readonly path: string;
  private readonly bySample = new Map<number, SampleRecord>();

  /** @param rank of the worker, which has a file of its own to write to */
  constructor(
    private readonly directory: string,
    rank = 0,
  ) {
    this.path = join(directory, `records-${rank}.partial.jsonl`);
  }

  /** Reads what all workers, of this run and of interrupted ones, have written; a line that was cut off counts as not there. */
  async read(): Promise<void> {
    for (const file of await this.files())
      for (const line of (await readWholeText(file)).split('\n')) {
        const record = parsed(file, line);
        if (record !== undefined) this.bySample.set(record.sample, record);
      }
  }

  /** Puts what follows on a line of its own where the last line was cut off. */
  async open(): Promise<void> {
    const text = await readWholeText(this.path).catch(() => '');
    if (text !== '' && !text.endsWith('\n')) await appendPlain(this.path, '\n');
    await this.read();
  }

  has(sample: number): boolean {
    return this.bySample.has(sample);
  }

  async add(records: readonly SampleRecord[]): Promise<void> {
    if (records.length === 0) return;
    const lines = records.map((record) => `${sealLine(record)}\n`).join('');
    await appendPlain(this.path, lines).catch((error: unknown) => {
      throw asUserError(error, this.path);
    });
    for (const record of records) this.bySample.set(record.sample, record);
  }

  /** The records of samples 0 to `count` - 1. */
  all(count: number): readonly SampleRecord[] {
    return Array.from({ length: count }, (_, sample) => this.bySample.get(sample)!);
  }

  /** Removes the files once their content is elsewhere. */
  async remove(): Promise<void> {
    for (const file of await this.files()) await rm(file, { force: true });
  }

  private async files(): Promise<string[]> {
    const names = await readdir(this.directory);
    return names.filter((name) => filePattern.test(name)).map((name) => join(this.directory, name));
  }
}

function parsed(file: string, line: string): SampleRecord | undefined {
  if (line === '') return undefined;
  try {
    return unsealLine(line) as SampleRecord;
  } catch (error) {
    // One that was cut off is of samples that were being made.
    if (!isCutOff(line)) tellDamaged(file, error, 'the samples that it lacks are made again');
    return undefined;
  }
}
