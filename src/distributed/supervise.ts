import { setTimeout as sleep } from 'node:timers/promises';
import { Observable } from 'rxjs';
import { UserError } from '../base/errors.js';
import { abortError } from '../base/streams.js';
import type { StageEvent } from '../runner/stage.js';
import { errorOf } from './task.js';
import type { FromWorker, Worker, WorkerEnd, WorkerFailure } from './worker.js';

export interface Patience {
  /**
   * Time without a pulse after which a worker is frozen; once it has begun to work, it hangs after as long without
   * another sign of life.
   */
  readonly silenceMs: number;
  /** Time that its process may take to its first pulse. */
  readonly bootMs: number;
  /** Time that it may take to its first progress without another sign: it loads and traces, and cannot give any. */
  readonly startMs: number;
  /** Time without progress of any worker, and without a notice, after which all of them hang. */
  readonly stallMs: number;
  /** Time after a worker's failure in which the others' are waited for: what follows from another is not the cause. */
  readonly causeMs: number;
  /** Time that a worker which is done may take to end. */
  readonly endMs: number;
}

export const usualPatience: Patience = {
  silenceMs: 20_000,
  bootMs: 26_000,
  startMs: 300_000,
  stallMs: 1_800_000,
  causeMs: 1_500,
  endMs: 10_000,
};

/** Time between two looks at the workers; a look that comes later than this by more was delayed, as by a stop. */
const lookEveryMs = 500;
const delayMs = 2_000;

/** Trouble with a worker, worst first. */
type Trouble =
  | { readonly type: 'gone'; readonly end: WorkerEnd }
  | { readonly type: 'silent' }
  | { readonly type: 'failed'; readonly failure: WorkerFailure };

/**
 * Lets workers run one stage together and shows worker 0's events. Completes when all are done. When one fails, dies or
 * hangs, the others are ended and the stream fails with the one cause; when interrupted, with an AbortError, once all
 * have saved. Unsubscribing ends them.
 */
export function supervise(
  workers: readonly Worker[],
  signal: AbortSignal,
  patience = usualPatience,
): Observable<StageEvent> {
  return new Observable((subscriber) => {
    const troubles = new Map<number, Trouble>();
    const done = new Set<number>();
    const vitals = new Vitals(workers.length, patience);
    let interrupted = false;
    let settling: NodeJS.Timeout | undefined;

    const killAll = (): void => {
      for (const worker of workers) worker.kill();
    };
    let over = false;
    // Nothing of theirs may go on when the stage is over: it would write into what others then use.
    const afterEnd = (tell: () => void): void => {
      if (over) return;
      over = true;
      void Promise.race([Promise.all(workers.map(({ ended }) => ended)), sleep(patience.endMs)]).then(() => {
        killAll();
        tell();
      });
    };
    const fail = (error: unknown): void => {
      killAll();
      afterEnd(() => {
        subscriber.error(error);
      });
    };
    const settle = (): void => {
      fail(causeOf(troubles, workers.length));
    };
    const trouble = (rank: number, what: Trouble): void => {
      if (over || troubles.has(rank) || done.has(rank)) return;
      troubles.set(rank, what);
      settling ??= setTimeout(settle, patience.causeMs);
    };
    const finish = (rank: number): void => {
      done.add(rank);
      if (done.size === workers.length) {
        afterEnd(() => {
          if (interrupted) subscriber.error(abortError(signal));
          else subscriber.complete();
        });
      } else if (!done.has(0) && done.size === workers.length - 1) {
        workers[0]!.send({ type: 'others-done' });
      }
    };
    const stop = (): void => {
      for (const worker of workers) worker.send({ type: 'stop' });
    };

    const watch = setInterval(() => {
      const { silent, stall } = vitals.look(done);
      for (const rank of silent) trouble(rank, { type: 'silent' });
      if (stall) fail(stalled(patience.stallMs));
    }, lookEveryMs);

    for (const { rank, messages, ended } of workers) {
      subscriber.add(
        messages.subscribe((message) => {
          vitals.take(rank, message);
          switch (message.type) {
            case 'pulse':
            case 'alive':
              break;
            case 'event':
              if (rank === 0) subscriber.next(message.event);
              break;
            case 'done':
              finish(rank);
              break;
            case 'interrupted':
              interrupted = true;
              finish(rank);
              break;
            case 'failed':
              trouble(rank, message);
              break;
          }
        }),
      );
      // Its last message may arrive after its end.
      void ended.then((end) =>
        setTimeout(() => {
          trouble(rank, { type: 'gone', end });
        }, 300),
      );
    }
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    return () => {
      clearInterval(watch);
      clearTimeout(settling);
      signal.removeEventListener('abort', stop);
      killAll();
    };
  });
}

/** Signs of life of workers that run one stage together, on a clock that nobody sets. */
class Vitals {
  private readonly lastPulses: number[];
  private readonly lastSigns: number[];
  private readonly pulsing = new Set<number>();
  private readonly begun = new Set<number>();
  private lastProgress = performance.now();
  private lastLook = this.lastProgress;
  private suspects: readonly number[] = [];

  constructor(
    size: number,
    private readonly patience: Patience,
  ) {
    this.lastPulses = new Array<number>(size).fill(this.lastLook);
    this.lastSigns = [...this.lastPulses];
  }

  /** Takes in what a worker says. */
  take(rank: number, message: FromWorker): void {
    const now = performance.now();
    if (message.type === 'pulse') {
      this.pulsing.add(rank);
      this.lastPulses[rank] = now;
      return;
    }
    this.lastSigns[rank] = now;
    if (message.type !== 'event') return;
    this.lastProgress = now;
    if (message.event.type === 'progress') this.begun.add(rank);
  }

  /** Finds workers that were silent at this look and at the one before; and whether all make no progress. */
  look(done: ReadonlySet<number>): { readonly silent: readonly number[]; readonly stall: boolean } {
    const now = performance.now();
    const wasDelayed = now - this.lastLook > lookEveryMs + delayMs;
    this.lastLook = now;
    if (wasDelayed) {
      // Stopped, as by Ctrl-Z or a laptop's sleep, and the workers likely with it: their time begins anew.
      this.lastPulses.fill(now);
      this.lastSigns.fill(now);
      this.lastProgress = now;
      return { silent: [], stall: false };
    }
    const working = this.lastSigns.length - done.size;
    const silent = [...this.lastSigns.keys()].filter(
      (rank) => !done.has(rank) && this.isSilent(rank, working, now),
    );
    // What they have told may be on its way: who is silent is asked for twice.
    const twice = silent.filter((rank) => this.suspects.includes(rank));
    this.suspects = silent;
    return { silent: twice, stall: now - this.lastProgress > this.patience.stallMs };
  }

  private isSilent(rank: number, working: number, now: number): boolean {
    const { silenceMs, bootMs, startMs } = this.patience;
    return (
      now - this.lastPulses[rank]! > (this.pulsing.has(rank) ? silenceMs : bootMs) ||
      // One that works alone, or that the others have left alone, keeps nobody waiting, and may be in a long call.
      now - this.lastSigns[rank]! > (this.begun.has(rank) && working > 1 ? silenceMs : startMs)
    );
  }
}

const remedy = 'Run again: it continues from what was saved. `runtime.retries` has it do so by itself.';

/** The one error to show: what others' troubles follow from. */
function causeOf(troubles: ReadonlyMap<number, Trouble>, size: number): Error {
  const weight = (trouble: Trouble): number => {
    if (trouble.type === 'failed') return trouble.failure.consequence ? 3 : 0;
    return trouble.type === 'gone' ? 1 : 2;
  };
  const [[rank, cause]] = [...troubles].sort(([, a], [, b]) => weight(a) - weight(b)) as [[number, Trouble]];
  const [who, others] =
    size > 1
      ? [`Worker ${rank} of ${size} (counted from 0)`, '; the others were stopped']
      : ['The process that ran it', ''];
  if (cause.type === 'failed')
    return cause.failure.consequence
      ? new UserError({
          code: 'workers-disconnected',
          message: `The exchange between the workers broke off: ${cause.failure.message}`,
          remedy,
        })
      : errorOf(cause.failure, size > 1 ? rank : undefined);
  if (cause.type === 'silent')
    return new UserError({
      code: 'worker-hangs',
      message: `${who} gives no sign of life any more${others}.`,
      remedy,
    });
  const { how, lastWords } = cause.end;
  return new UserError({
    code: 'worker-died',
    message: `${who} ${how}${others}.${lastWords === '' ? '' : `\n${lastWords}`}`,
    remedy,
  });
}

function stalled(stallMs: number): UserError {
  return new UserError({
    code: 'workers-stalled',
    message: `No worker has made progress for ${Math.round(stallMs / 60_000)} minutes, though all are alive; they were stopped.`,
    remedy: 'Look whether the folders of data and runs can be read from every machine, then run again.',
  });
}
