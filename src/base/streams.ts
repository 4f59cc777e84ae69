import { defer, map, type MonoTypeOperatorFunction, Observable, type OperatorFunction } from 'rxjs';

/** True when `error` says that work was abandoned on request rather than that it failed. */
export function isAbortError(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

/** The error with which abandoned work ends: the signal's own reason where that is an AbortError. */
export function abortError(signal: AbortSignal): Error {
  const reason: unknown = signal.reason;
  if (reason instanceof Error && reason.name === 'AbortError') return reason;
  return new DOMException('The work was interrupted.', 'AbortError');
}

/** Mirrors the source until `signal` aborts, then unsubscribes from it and fails with an AbortError. */
export function abortable<T>(signal: AbortSignal): MonoTypeOperatorFunction<T> {
  return (source) =>
    new Observable<T>((subscriber) => {
      const abort = (): void => {
        subscriber.error(abortError(signal));
      };
      if (signal.aborted) {
        abort();
        return;
      }
      signal.addEventListener('abort', abort, { once: true });
      subscriber.add(() => {
        signal.removeEventListener('abort', abort);
      });
      source.subscribe(subscriber);
    });
}

/**
 * The values that asynchronous work tells while it goes on. Work starts on subscription; unsubscribing aborts the
 * signal that it gets.
 */
export function fromWork<T>(
  work: (tell: (value: T) => void, signal: AbortSignal) => Promise<void>,
): Observable<T> {
  return new Observable((subscriber) => {
    const controller = new AbortController();
    const tell = (value: T): void => {
      subscriber.next(value);
    };
    work(tell, controller.signal).then(
      () => {
        subscriber.complete();
      },
      (error: unknown) => {
        subscriber.error(error);
      },
    );
    return () => {
      controller.abort();
    };
  });
}

/** The same work, of which each call waits for the one before to end: with `prefetch`, work that goes on ahead in turn. */
export function oneByOne<Args extends readonly unknown[], Result>(
  work: (...args: Args) => Promise<Result>,
): (...args: Args) => Promise<Result> {
  let last: Promise<unknown> = Promise.resolve();
  return (...args) => {
    const next = last.then(() => work(...args));
    last = next.catch(() => undefined);
    return next;
  };
}

/**
 * Loads what keys stand for, in their order, with up to `bound` loads begun and not yet taken: for consumers that pull.
 * A load that fails ends the iteration when its turn comes.
 */
export async function* readAhead<Key, Loaded>(
  keys: Iterable<Key>,
  bound: number,
  load: (key: Key) => Promise<Loaded>,
): AsyncGenerator<Loaded> {
  const begun: Promise<Loaded>[] = [];
  for (const key of keys) {
    const loading = load(key);
    // A later failure must not go unhandled while an earlier load is waited for.
    loading.catch(() => undefined);
    begun.push(loading);
    if (begun.length >= bound) yield await begun.shift()!;
  }
  while (begun.length > 0) yield await begun.shift()!;
}

/** Passes every `count`-th value, and the last one whatever its number. */
export function everyN<T>(count: number): MonoTypeOperatorFunction<T> {
  if (!Number.isInteger(count) || count < 1)
    throw new RangeError(`everyN needs a positive integer: ${count}`);
  return (source) =>
    new Observable<T>((subscriber) => {
      let seen = 0;
      let held: { readonly value: T } | undefined;
      return source.subscribe({
        next: (value) => {
          seen++;
          held = seen % count === 0 ? undefined : { value };
          if (held === undefined) subscriber.next(value);
        },
        error: (error) => {
          subscriber.error(error);
        },
        complete: () => {
          if (held !== undefined) subscriber.next(held.value);
          subscriber.complete();
        },
      });
    });
}

/**
 * Passes at most one value every `milliseconds`: the first at once, then the newest of each interval. The last value is
 * passed without waiting when the source completes or fails, so a reader always ends with the final state.
 *
 * @param isState false for values that are no states which a newer one replaces: they are passed at once, in their order
 */
export function everyMs<T>(
  milliseconds: number,
  isState: (value: T) => boolean = () => true,
): MonoTypeOperatorFunction<T> {
  return (source) =>
    new Observable<T>((subscriber) => {
      let held: { readonly value: T } | undefined;
      let timer: NodeJS.Timeout | undefined;
      const flush = (): void => {
        const last = held;
        held = undefined;
        if (last !== undefined) subscriber.next(last.value);
      };
      const tick = (): void => {
        timer = undefined;
        if (held === undefined) return;
        timer = setTimeout(tick, milliseconds);
        flush();
      };
      subscriber.add(() => {
        clearTimeout(timer);
      });
      const subscription = source.subscribe({
        next: (value) => {
          if (!isState(value)) {
            flush();
            subscriber.next(value);
            return;
          }
          held = { value };
          if (timer !== undefined) return;
          timer = setTimeout(tick, milliseconds);
          flush();
        },
        error: (error) => {
          flush();
          subscriber.error(error);
        },
        complete: () => {
          flush();
          subscriber.complete();
        },
      });
      subscriber.add(subscription);
    });
}

/** A progress event as stages tell it. */
interface Progress {
  readonly type: 'progress';
  readonly done: number;
  readonly total: number;
  readonly unit: string;
  readonly figures?: Readonly<Record<string, number>>;
}

interface ProgressOptions<T> {
  /** Value of `done` when everything is done. */
  readonly total: number;
  /** Plural noun of what is counted. */
  readonly unit: string;
  /** Amount done before this session. Default 0. */
  readonly start?: number;
  /** Amount that one value adds. Default 1. */
  readonly count?: (value: T) => number;
  /** Current values such as `loss`. */
  readonly figures?: (value: T) => Readonly<Record<string, number>>;
}

/** Turns each value into a progress event that counts it. */
export function progress<T>(options: ProgressOptions<T>): OperatorFunction<T, Progress> {
  const { total, unit, count = () => 1, figures } = options;
  return (source) =>
    defer(() => {
      let done = options.start ?? 0;
      return source.pipe(
        map((value) => {
          done += count(value);
          return {
            type: 'progress',
            done,
            total,
            unit,
            ...(figures && { figures: figures(value) }),
          } as const;
        }),
      );
    });
}
