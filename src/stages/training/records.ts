import { join } from 'node:path';
import { counted } from '../../base/format.js';
import type { FileSeal } from '../../base/output-file.js';
import { lossesName, MetricsLog, metricsName, speedName } from '../../formats/metrics-log.js';
import type { RecordsConfig } from '../../generated/index.js';
import type { StageContext, StageEvent } from '../../runner/stage.js';
import { peakBytes } from '../shared/engine.js';
import { readLosses } from './logs.js';
import { type RecordSink, TensorboardSink, WandbSink } from './sinks.js';

export interface RecordsOptions extends StepCost {
  readonly config: RecordsConfig;
  /** Floating-point operations a second of bare matrix products here, where they can be told. */
  readonly peak?: (() => Promise<number | undefined>) | undefined;
}

/**
 * Records of a training's steps. `metrics.jsonl` and `losses.jsonl` are functions of the training alone: the same bytes
 * whatever was interrupted. `speed.jsonl` says how fast it was. Services get both, and are given up when they fail.
 */
export class TrainingRecords {
  private readonly told = new Set<RecordSink>();

  private constructor(
    private readonly metrics: MetricsLog,
    private readonly losses: MetricsLog,
    private readonly speeds: MetricsLog,
    private notices: StageEvent[],
    private readonly sinks: Set<RecordSink>,
    private readonly speed: Speed,
    private lastStep: number,
  ) {}

  /**
   * Goes on after a step: what was recorded of later ones is dropped.
   *
   * @param seals of its logs at that step, where they are known: one that was cut short since is told of
   * @throws UserError where a service cannot be used as configured
   */
  static async open(
    { config, peak, ...cost }: RecordsOptions,
    context: StageContext,
    step: number,
    seals: Partial<RecordSeals> = {},
  ): Promise<TrainingRecords> {
    const { directory } = context;
    const notices: StageEvent[] = [];
    const warn = (message: string): void => {
      notices.push({ type: 'notice', level: 'warning', message });
    };
    const [metrics, losses, speeds] = [
      new MetricsLog(join(directory, metricsName)),
      new MetricsLog(join(directory, lossesName)),
      new MetricsLog(join(directory, speedName)),
    ];
    const learnt = await metrics.resume(step, seals.metrics, warn);
    const windows = await losses.resume(step, seals.losses, warn);
    // Earlier versions had none.
    if (windows.length === 0) for (const record of await readLosses(directory)) await losses.append(record);
    const timed = new Set(await speeds.resume(step));
    const untimed = learnt.filter((each) => !timed.has(each));
    if (untimed.length > 0)
      warn(`${speedName} lacks ${counted(untimed.length, 'record')}, the first of step ${untimed[0]!}.`);
    const sinks = new Set<RecordSink>();
    if (config.tensorboard) sinks.add(new TensorboardSink(directory, step));
    if (config.wandb !== undefined && config.wandb.mode !== 'disabled')
      sinks.add(await WandbSink.open(config.wandb, context));
    const rate = cost.operations === undefined ? undefined : await peak?.();
    return new TrainingRecords(metrics, losses, speeds, notices, sinks, new Speed(cost, rate), step);
  }

  /** Records figures as of a step: what was learnt, and beside the speed what else the machine did. */
  async log(
    step: number,
    figures: Readonly<Record<string, number>>,
    machine: Readonly<Record<string, number>> = {},
  ): Promise<void> {
    const timeSeconds = Date.now() / 1000;
    const speed = { ...this.speed.take(this.lastStep, step), ...machine };
    this.lastStep = step;
    await this.metrics.append({ step, ...figures });
    await this.speeds.append({ step, timeSeconds, ...speed });
    await this.send({ step, timeSeconds, figures: { ...figures, ...speed } });
  }

  private async send(record: Parameters<RecordSink['log']>[0]): Promise<void> {
    for (const sink of this.sinks) {
      await sink.log(record).catch((error: unknown) => {
        this.giveUp(sink, error);
      });
      this.tellPlace(sink);
    }
  }

  /** Records further figures of a step. */
  async add(step: number, figures: Readonly<Record<string, number>>): Promise<void> {
    const timeSeconds = Date.now() / 1000;
    await this.metrics.append({ step, ...figures });
    await this.speeds.append({ step, timeSeconds });
    await this.send({ step, timeSeconds, figures });
  }

  /** Records the losses of a window of steps, which ends at a step. */
  async addLosses(step: number, losses: Readonly<Record<string, number>>): Promise<void> {
    await this.losses.append({ step, ...losses });
  }

  /** Makes the logs durable for a checkpoint, and gives what those are by then that follow from the training alone. */
  async seal(): Promise<RecordSeals> {
    await this.speeds.seal();
    return { metrics: await this.metrics.seal(), losses: await this.losses.seal() };
  }

  /** Takes the notices since the last call. */
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
      message: `${sink.name} gets no further records: ${reason}. Training continues; metrics.jsonl has everything.`,
    });
  }
}

/** Seals of the logs that are functions of the training alone. */
export interface RecordSeals {
  readonly metrics: FileSeal;
  readonly losses: FileSeal;
}

/** Cost of a step, where it is known. */
interface StepCost {
  /** Samples of a step, over all workers. */
  readonly samples: number;
  /** Floating-point operations of this process's part of steps: from one, counted from 0, to before another. */
  readonly operations?: ((from: number, to: number) => number) | undefined;
}

/** Speed of steps, between two records. */
class Speed {
  private startedMs = performance.now();

  constructor(
    private readonly cost: StepCost,
    /** Floating-point operations a second of bare matrix products here. */
    private readonly peak: number | undefined,
  ) {}

  /** Figures of the steps since this was last asked, or since the start: from one to before another. */
  take(from: number, to: number): Record<string, number> {
    const steps = to - from;
    const now = performance.now();
    const seconds = (now - this.startedMs) / 1000;
    this.startedMs = now;
    const { samples, operations } = this.cost;
    const done = operations?.(from, to);
    return {
      imagesPerSecond: (samples * steps) / seconds,
      secondsPerStep: seconds / steps,
      ...(this.peak !== undefined && done !== undefined && { matmulPeakShare: done / seconds / this.peak }),
      peakMemoryMiB: peakBytes() / 2 ** 20,
    };
  }
}
