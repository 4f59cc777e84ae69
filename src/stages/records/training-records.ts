import { join } from 'node:path';
import type { RecordsConfig } from '../../config/generated/index.js';
import { appendMetrics, metricsName, rewindMetrics, speedName } from '../../data/metrics-log.js';
import type { StageContext, StageEvent } from '../../pipeline/stage.js';
import type { RecordSink } from './record-sink.js';
import { Speed, type StepCost } from './speed.js';
import { TensorboardSink } from './tensorboard-sink.js';
import { WandbSink } from './wandb-sink.js';

export interface RecordsOptions extends StepCost {
  readonly config: RecordsConfig;
  /** Floating-point operations a second of bare matrix products here, where they can be told. */
  readonly peak?: (() => Promise<number>) | undefined;
}

/**
 * What a training tells of its steps. `metrics.jsonl` is a function of the training alone: the same bytes whatever was
 * interrupted. `speed.jsonl` says how fast it was. Services get both, and are given up when they fail.
 */
export class TrainingRecords {
  private notices: StageEvent[] = [];
  private readonly told = new Set<RecordSink>();

  private constructor(
    private readonly directory: string,
    private readonly sinks: Set<RecordSink>,
    private readonly speed: Speed,
    private lastStep: number,
  ) {}

  /**
   * Goes on after a step: what was recorded of later ones is dropped.
   *
   * @throws UserError where a service cannot be used as configured
   */
  static async open(
    { config, peak, ...cost }: RecordsOptions,
    context: StageContext,
    step: number,
  ): Promise<TrainingRecords> {
    const { directory } = context;
    for (const name of [metricsName, speedName]) await rewindMetrics(join(directory, name), step);
    const sinks = new Set<RecordSink>();
    if (config.tensorboard) sinks.add(new TensorboardSink(directory, step));
    if (config.wandb !== undefined && config.wandb.mode !== 'disabled')
      sinks.add(await WandbSink.open(config.wandb, context));
    const rate = cost.operations === undefined ? undefined : await peak?.();
    return new TrainingRecords(directory, sinks, new Speed(cost, rate), step);
  }

  /** Records figures as of a step: what was learnt, and beside the speed what else the machine did. */
  async log(
    step: number,
    figures: Readonly<Record<string, number>>,
    machine: Readonly<Record<string, number>> = {},
  ): Promise<void> {
    const timeSeconds = Date.now() / 1000;
    const speed = { ...this.speed.take(step - this.lastStep), ...machine };
    this.lastStep = step;
    await appendMetrics(join(this.directory, metricsName), { step, ...figures });
    await appendMetrics(join(this.directory, speedName), { step, timeSeconds, ...speed });
    for (const sink of this.sinks) {
      await sink.log({ step, timeSeconds, figures: { ...figures, ...speed } }).catch((error: unknown) => {
        this.giveUp(sink, error);
      });
      this.tellPlace(sink);
    }
  }

  /** What there is to say since this was last asked. */
  takeNotices(): StageEvent[] {
    const notices = this.notices;
    this.notices = [];
    return notices;
  }

  /** Sends what services have not got yet. */
  async close(): Promise<void> {
    for (const sink of this.sinks)
      await sink.close().catch((error: unknown) => {
        this.giveUp(sink, error);
      });
    for (const sink of this.sinks) this.tellPlace(sink);
    this.sinks.clear();
  }

  private tellPlace(sink: RecordSink): void {
    if (sink.place === undefined || this.told.has(sink)) return;
    this.told.add(sink);
    this.notices.push({ type: 'notice', level: 'info', message: `${sink.name}: ${sink.place}` });
  }

  private giveUp(sink: RecordSink, error: unknown): void {
    this.sinks.delete(sink);
    void sink.close().catch(() => undefined);
    const reason = error instanceof Error ? error.message : String(error);
    this.notices.push({
      type: 'notice',
      level: 'warning',
      message: `${sink.name} gets no further records: ${reason}. Training goes on; metrics.jsonl has everything.`,
    });
  }
}
