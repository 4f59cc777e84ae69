import { appendFile, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { asUserError } from '../../files/file-errors.js';

/** What is known of a sample beside its picture. */
export interface SampleRecord {
  readonly sample: number;
  /** Steps after which it went on to the second phase, the third, and so on. */
  readonly switches?: readonly (number | null)[];
  /** Steps of its path. */
  readonly steps?: number;
  /** How likely it is under the model, in bits for each number of its latent. */
  readonly bitsPerDimension?: number;
  /** Mean absolute difference between its latent and the one that was carried to noise and drawn from there. */
  readonly roundTripError?: number;
}

const fileName = 'records.partial.jsonl';

/** Records of samples while they are being made: a line each, so that an interrupted run loses none. */
export class SampleRecords {
  private readonly path: string;
  private readonly bySample = new Map<number, SampleRecord>();

  constructor(directory: string) {
    this.path = join(directory, fileName);
  }

  /** Reads what an interrupted run has left; a line that was cut off counts as not there. */
  async open(): Promise<void> {
    const text = await readFile(this.path, 'utf8').catch(() => '');
    // The last line is whole only where a line break ends it: what follows is put on a line of its own.
    if (text !== '' && !text.endsWith('\n')) await appendFile(this.path, '\n');
    for (const line of text.split('\n')) {
      const record = parsed(line);
      if (record !== undefined) this.bySample.set(record.sample, record);
    }
  }

  has(sample: number): boolean {
    return this.bySample.has(sample);
  }

  async add(records: readonly SampleRecord[]): Promise<void> {
    if (records.length === 0) return;
    const lines = records.map((record) => `${JSON.stringify(record)}\n`).join('');
    await appendFile(this.path, lines).catch((error: unknown) => {
      throw asUserError(error, this.path);
    });
    for (const record of records) this.bySample.set(record.sample, record);
  }

  /** The records of samples 0 to `count` - 1. */
  all(count: number): readonly SampleRecord[] {
    return Array.from({ length: count }, (_, sample) => this.bySample.get(sample)!);
  }

  /** Removes the file once its content is elsewhere. */
  async remove(): Promise<void> {
    await rm(this.path, { force: true });
  }
}

function parsed(line: string): SampleRecord | undefined {
  try {
    const record = JSON.parse(line) as SampleRecord;
    return Number.isInteger(record.sample) ? record : undefined;
  } catch {
    return undefined;
  }
}
