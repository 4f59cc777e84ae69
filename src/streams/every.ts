import { Observable, type MonoTypeOperatorFunction } from 'rxjs';

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
 */
export function everyMs<T>(milliseconds: number): MonoTypeOperatorFunction<T> {
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
