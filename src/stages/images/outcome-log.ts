import { createReadStream } from 'node:fs';
import { appendFile, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { asUserError } from '../../files/file-errors.js';
import type { Outcome } from './examination.js';

/** Outcomes that an interruption may lose, which are found again in seconds. */
const outcomesPerWrite = 500;

/**
 * What opening each image showed, in order, kept while an examination is under way: one of a million images that is
 * interrupted goes on where it was. Only outcomes that wait to be written are in memory.
 */
export class OutcomeLog {
  private waiting: string[] = [];

  private constructor(private readonly path: string) {}

  /**
   * Opens the log of a stage's folder, new or as an interrupted session left it.
   *
   * @param recall told the outcomes that it holds, up to the first corrupt image, which may have been mended since
   */
  static async open(directory: string, recall: (outcome: Outcome) => void): Promise<OutcomeLog> {
    const path = join(directory, 'examined.partial.jsonl');
    let bytes = 0;
    try {
      for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
        const outcome = parsed(line);
        if (outcome === undefined || outcome.kind === 'corrupt') break;
        recall(outcome);
        bytes += Buffer.byteLength(line) + 1;
      }
      await truncate(path, bytes);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw asUserError(error, path);
    }
    return new OutcomeLog(path);
  }

  async add(outcome: Outcome): Promise<void> {
    this.waiting.push(JSON.stringify(outcome) + '\n');
    if (this.waiting.length >= outcomesPerWrite) await this.flush();
  }

  /** Writes what waits. */
  async flush(): Promise<void> {
    const lines = this.waiting.join('');
    this.waiting = [];
    await appendFile(this.path, lines).catch((error: unknown) => {
      throw asUserError(error, this.path);
    });
  }

  /** The examination is over: its results are written elsewhere. */
  async remove(): Promise<void> {
    await rm(this.path, { force: true });
  }
}

/** The last line of a log may have been cut off; one without a hash is of an earlier version. */
function parsed(line: string): Outcome | undefined {
  try {
    const outcome = JSON.parse(line) as Outcome | null;
    return typeof outcome?.sha256 === 'string' ? outcome : undefined;
  } catch {
    return undefined;
  }
}
