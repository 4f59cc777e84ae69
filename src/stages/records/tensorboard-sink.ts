import { join } from 'node:path';
import { EventFile } from '../../data/tensorboard/index.js';
import { tensorboardName } from '../training-files.js';
import type { RecordSink, TrainingRecord } from './record-sink.js';

/** Event files for TensorBoard. The first record makes the session's file. */
export class TensorboardSink implements RecordSink {
  readonly name = 'TensorBoard';
  private file: EventFile | undefined;

  /** @param step the last one before the session's first */
  constructor(
    private readonly directory: string,
    private readonly step: number,
  ) {}

  async log({ step, timeSeconds, figures }: TrainingRecord): Promise<void> {
    this.file ??= await EventFile.create(join(this.directory, tensorboardName), this.step + 1);
    await this.file.write(step, timeSeconds, figures);
  }

  async close(): Promise<void> {
    await this.file?.close();
  }
}
