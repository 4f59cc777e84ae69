import { join } from 'node:path';
import {
  concat,
  concatMap,
  defer,
  finalize,
  from,
  ignoreElements,
  map,
  merge,
  mergeMap,
  type Observable,
  Subject,
  takeWhile,
} from 'rxjs';
import { UserError } from '../../base/errors.js';
import { faultPoint } from '../../base/files.js';
import { integers, prefetch } from '../../base/prefetch.js';
import { abortError, everyMs } from '../../base/streams.js';
import { figureFact } from '../../pages/figures.js';
import { isProgress, type StageContext, type StageEvent, type StageProgress } from '../../runner/stage.js';
import type { HostTensor } from '../../tensorflow/data-types.js';
import { startEngine } from '../../tensorflow/index.js';
import {
  type Checkpoint,
  latestCheckpoint,
  pruneCheckpoints,
  restoreCheckpoint,
  saveCheckpoint,
} from '../../training/checkpoint.js';
import { withQuartiles } from '../../training/diffusion-loss.js';
import { BusyTime, Meter, type MeterState } from '../../training/meter.js';
import { type CheckpointSchedule, learningRateAt, type Schedule } from '../../training/schedule.js';
import type { Trainer } from '../../training/trainer.js';
import { isFirstWorker, peakBytes } from '../shared/engine.js';
import { toMegabytes } from '../shared/memory.js';
import { checkpointsName, madeFrom, refuseForeign } from './files.js';
import { endsWindow, lossAtTheEnd, lossesOf, lossNames, readLosses } from './logs.js';
import { type RecordSeals, type RecordsOptions, TrainingRecords } from './records.js';

/** Batches that are read ahead while a step runs. */
const batchesAhead = 4;
/** Steps in a row that may change nothing because loss or gradients are not finite. */
const maxSkippedInARow = 10;
const progressEveryMs = 100;

export type Batch = Readonly<Record<string, HostTensor>>;

/** Work of a training stage: the trainer, its data and its schedule. */
export interface TrainingJob {
  readonly trainer: Trainer;
  /** Sets the trainer to where training starts, where there is no checkpoint to go on from. */
  readonly start: (trainer: Trainer) => Promise<void>;
  /** The batch of a step. */
  readonly load: (step: number) => Promise<Batch>;
  readonly schedule: Schedule;
  readonly logEverySteps: number;
  readonly records: RecordsOptions;
  readonly checkpoint: CheckpointSchedule;
  readonly pictures?: TrainingPictures;
  readonly evaluations?: StepEvaluations;
  readonly snapshots?: StepSnapshots;
}

/** Snapshots of the trainer's averages at some steps, which are kept. */
export interface StepSnapshots {
  isDue(step: number): boolean;
  /** Removes those of later steps. @throws UserError where an earlier one is gone */
  rewind(step: number): Promise<void>;
  /** @param updates steps so far that changed the weights */
  take(trainer: Trainer, step: number, updates: number): Promise<void>;
}

/** Figures of the model at some steps, each a function of the trainer's state at its step. */
export interface StepEvaluations {
  isDue(step: number): boolean;
  has(step: number): Promise<boolean>;
  /** Removes what was kept of later steps. */
  rewind(step: number): Promise<void>;
  /**
   * Figures of a step, and keeps what did best.
   *
   * @param onImages is called now and then: images are drawn and looked at
   * @throws an AbortError when the stage is interrupted
   */
  evaluate(trainer: Trainer, step: number, onImages: () => void): Promise<Readonly<Record<string, number>>>;
  /** Removes what is no longer needed once a step is saved. */
  prune(step: number): Promise<void>;
}

/** Pictures that are drawn at some steps, each a function of the trainer's state at its step. */
export interface TrainingPictures {
  isDue(step: number): boolean;
  has(step: number): Promise<boolean>;
  /** Removes those of later steps. */
  rewind(step: number): Promise<void>;
  /**
   * Draws and keeps the picture of a step; returns its path within the stage's output.
   *
   * @throws an AbortError when the stage is interrupted
   */
  draw(trainer: Trainer, step: number): Promise<string>;
}

/** Content of a checkpoint beside tensors. What checkpoints of earlier versions lack may be absent. */
interface Saved extends Partial<RecordSeals> {
  /** Steps that changed the weights: fewer than all where some were skipped. */
  readonly updates: number;
  readonly skippedInARow: number;
  readonly meter: MeterState;
  /** Losses since the last window ended. */
  readonly window?: MeterState;
  /** Device or engine that computed it, such as `processor`. */
  readonly computedOn?: string;
}

/** The folder of a training stage's checkpoints. */
export function checkpointFolder(stageDirectory: string): string {
  return join(stageDirectory, checkpointsName);
}

/**
 * Trains from the last checkpoint in the stage's folder, or from the start, to the last step, and saves there.
 * When interrupted it saves first and then fails with an AbortError.
 */
export function trainingSteps(job: TrainingJob, context: StageContext): Observable<StageEvent> {
  const notices: StageEvent[] = [];
  return from(TrainingRun.begin(job, context, notices)).pipe(
    mergeMap((run) =>
      concat(from(notices), steps(run), finished(run), closed(run)).pipe(finalize(() => void run.close())),
    ),
  );
}

function steps(run: TrainingRun): Observable<StageEvent> {
  const { job, step: first } = run;
  const taken = prefetch(integers(first, job.schedule.totalSteps), batchesAhead, job.load, (batch) =>
    defer(() => run.advance(batch)),
  ).pipe(
    takeWhile(() => !run.stopping, true),
    concatMap((events) => from(events)),
    finalize(() => {
      run.within.complete();
    }),
  );
  return merge(run.within, taken).pipe(everyMs(progressEveryMs, isProgress));
}

function finished(run: TrainingRun): Observable<StageEvent> {
  return concat(
    defer(() => run.finish()).pipe(ignoreElements()),
    defer(() => run.figures()).pipe(
      map((values): StageEvent => ({ type: 'summary', measured: true, values })),
    ),
  );
}

function closed(run: TrainingRun): Observable<StageEvent> {
  return defer(() => run.close()).pipe(concatMap((notices) => from(notices)));
}

/** One session of training: the state beside the trainer's tensors. */
class TrainingRun {
  private readonly folder: string;
  private readonly device = new BusyTime();
  /** Signs of progress within a step: an evaluation may take hours. */
  readonly within = new Subject<StageEvent>();
  private savedStep: number | undefined;
  /** True when the workers have agreed to stop after the last step. */
  private agreedToStop = false;
  /** True when an evaluation was interrupted: the training is not at its end then, even after its last step. */
  private lacksEvaluation = false;

  private constructor(
    readonly job: TrainingJob,
    private readonly context: StageContext,
    public step: number,
    private updates: number,
    private skippedInARow: number,
    private readonly meter: Meter,
    /** Losses since the last window ended. */
    private readonly window: Meter,
    /** Records of the process that writes what belongs to the whole output. */
    private readonly records: TrainingRecords | undefined,
  ) {
    this.folder = checkpointFolder(context.directory);
  }

  static async begin(job: TrainingJob, context: StageContext, notices: StageEvent[]): Promise<TrainingRun> {
    const checkpoint: Checkpoint<Saved> | undefined = await latestCheckpoint<Saved>(
      checkpointFolder(context.directory),
      (message) => notices.push({ type: 'notice', level: 'warning', message }),
    );
    if (checkpoint !== undefined) await refuseForeign(checkpoint, context);
    const records = isFirstWorker(context)
      ? await TrainingRecords.open(job.records, context, checkpoint?.step ?? 0, checkpoint?.extra)
      : undefined;
    notices.push(...(records?.takeNotices() ?? []));
    await job.pictures?.rewind(checkpoint?.step ?? 0);
    await job.evaluations?.rewind(checkpoint?.step ?? 0);
    await job.snapshots?.rewind(checkpoint?.step ?? 0);
    if (checkpoint === undefined) {
      await job.start(job.trainer);
      return new TrainingRun(job, context, 0, 0, 0, new Meter(), new Meter(), records);
    }
    await restoreCheckpoint(checkpoint, job.trainer);
    notices.push({ type: 'notice', level: 'info', message: `Continues from step ${checkpoint.step}.` });
    const { updates, skippedInARow, computedOn: before } = checkpoint.extra;
    const { computesOn } = await startEngine(context.runtime);
    if (before !== undefined && before !== computesOn)
      notices.push({
        type: 'notice',
        level: 'warning',
        message: `Until step ${checkpoint.step} ${before} computed, now ${computesOn} does: the numbers round otherwise from here on.`,
      });
    const { step } = checkpoint;
    const [meter, window] = [new Meter(checkpoint.extra.meter), new Meter(checkpoint.extra.window)];
    const run = new TrainingRun(job, context, step, updates, skippedInARow, meter, window, records);
    run.savedStep = step;
    notices.push(...(await run.draw()), ...(await run.evaluate()));
    return run;
  }

  /** True when no further step is to be taken: several workers stop after the same step. */
  get stopping(): boolean {
    return this.context.workers === undefined ? this.context.signal.aborted : this.agreedToStop;
  }

  /** Takes one step, and logs, draws and saves where it is time to. */
  async advance(batch: Batch): Promise<readonly StageEvent[]> {
    const { trainer, schedule, logEverySteps, checkpoint } = this.job;
    const learningRate = learningRateAt(this.step, schedule);
    const { loss, gradientNorm, applied, figures, stop } = await this.device.during(() =>
      trainer.step(batch, learningRate, this.updates, this.context.signal.aborted),
    );
    this.agreedToStop = stop;
    this.step++;
    faultPoint('took step');
    if (applied) {
      this.updates++;
      this.skippedInARow = 0;
      this.meter.add({ loss, gradientNorm, ...figures });
      this.window.add(lossesOf({ loss, ...figures }));
    } else this.countSkipped(loss);
    const current = this.meter.means();
    if (this.step % logEverySteps === 0 || this.step === schedule.totalSteps) {
      const means = this.meter.take();
      const idleShare = this.device.takeIdleShare();
      const machine = idleShare === undefined ? undefined : { idleShare };
      await this.records?.log(this.step, { ...withQuartiles(means), learningRate }, machine);
      faultPoint('logged step');
    }
    if (endsWindow(this.step)) await this.records?.addLosses(this.step, this.window.take());
    const { snapshots } = this.job;
    if (snapshots?.isDue(this.step) === true) await snapshots.take(trainer, this.step, this.updates);
    const notices = [
      ...(this.records?.takeNotices() ?? []),
      ...(await this.draw()),
      ...(await this.evaluate()),
    ];
    if (checkpoint.isDue(this.step)) await this.save();
    return [...notices, this.progress(this.step, current.loss)];
  }

  private progress(done: number, loss: number | undefined): StageProgress {
    const { totalSteps: total } = this.job.schedule;
    const figures = loss === undefined ? {} : { loss };
    return { type: 'progress', done, total, unit: 'steps', figures };
  }

  /** Draws the step's picture, where one is due and not there. An interrupted one is drawn when the run goes on. */
  private async draw(): Promise<StageEvent[]> {
    const { pictures, trainer } = this.job;
    if (pictures?.isDue(this.step) !== true || (await pictures.has(this.step))) return [];
    try {
      const path = await this.device.during(() => pictures.draw(trainer, this.step));
      return [{ type: 'notice', level: 'info', message: `Drew ${path}.` }];
    } catch (error) {
      if (this.context.signal.aborted) return [];
      throw error;
    }
  }

  /** Evaluates the step, where that is due and not done. What is interrupted is done when the run goes on. */
  private async evaluate(): Promise<StageEvent[]> {
    const { evaluations, trainer } = this.job;
    const { step } = this;
    if (evaluations?.isDue(step) !== true || (await evaluations.has(step))) return [];
    try {
      const figures = await this.device.during(() =>
        evaluations.evaluate(trainer, step, () => {
          this.within.next(this.progress(step - 1, undefined));
        }),
      );
      await this.records?.add(step, figures);
      const told = Object.entries(figures).map(([name, value]) => figureFact(name, value));
      return [{ type: 'notice', level: 'info', message: `At step ${step}: ${told.join(', ')}.` }];
    } catch (error) {
      if (!this.context.signal.aborted) throw error;
      this.lacksEvaluation = true;
      return [];
    }
  }

  /** Saves where that has not been done; fails with an AbortError where steps are left. */
  async finish(): Promise<void> {
    if (this.savedStep !== this.step) await this.save();
    await this.job.evaluations?.prune(this.step);
    if (this.step < this.job.schedule.totalSteps || this.lacksEvaluation)
      throw abortError(this.context.signal);
  }

  /** Lets services have what is left of the records; tells what became of them. */
  async close(): Promise<StageEvent[]> {
    await this.records?.close();
    return this.records?.takeNotices() ?? [];
  }

  /**
   * The loss that the training came to, and figures of the machine's resources that the steps of this session used: of
   * these a resumed training tells those of its last session.
   */
  async figures(): Promise<Record<string, number>> {
    const { idleShare } = this.device;
    const windows = isFirstWorker(this.context) ? await readLosses(this.context.directory) : [];
    const losses = lossNames.flatMap((name) => {
      const loss = lossAtTheEnd(windows, this.step, name);
      return loss === undefined ? [] : [[name, loss] as const];
    });
    return {
      ...Object.fromEntries(losses),
      ...(idleShare !== undefined && { idlePercent: Number((100 * idleShare).toFixed(1)) }),
      peakMemoryMegabytes: toMegabytes(peakBytes()),
    };
  }

  /** Writes a checkpoint, where this process is the one that does. All workers' states are the same. */
  private async save(): Promise<void> {
    this.savedStep = this.step;
    if (!isFirstWorker(this.context)) return;
    const extra: Saved = {
      updates: this.updates,
      skippedInARow: this.skippedInARow,
      meter: this.meter.toJSON(),
      window: this.window.toJSON(),
      computedOn: (await startEngine(this.context.runtime)).computesOn,
      ...(await this.records?.seal()),
    };
    const { step, context } = this;
    await saveCheckpoint(this.folder, this.job.trainer, { step, extra, made: madeFrom(context) });
    await pruneCheckpoints(this.folder, this.job.checkpoint);
    await this.job.evaluations?.prune(step);
  }

  private countSkipped(loss: number): void {
    this.skippedInARow++;
    if (this.skippedInARow < maxSkippedInARow) return;
    throw new UserError({
      code: 'loss-not-finite',
      message: `At step ${this.step} the loss is ${loss}, and loss or gradients were not finite in the last ${maxSkippedInARow} steps.`,
      remedy:
        'Lower `learningRate`, raise `warmupSteps`, or set `gradientClip: 1`; the last checkpoint is intact.',
    });
  }
}
