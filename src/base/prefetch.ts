import { from, Observable, type ObservableInput, type Subscription } from 'rxjs';

/** Fetches what a key stands for. The signal aborts when nobody wants the result any more. */
export type Load<Key, Loaded> = (key: Key, signal: AbortSignal) => Promise<Loaded>;

/**
 * Loads what keys stand for ahead of their use, in order, with a bound.
 *
 * At most `bound` keys are being loaded, or loaded and not yet used up, at any time. `use` gets one loaded value at a
 * time, in the order of the keys, and the next only once the stream it returned has completed: this is what keeps slow
 * consumers from piling up loaded values. Without `use`, a value counts as used up when it has been passed on, so a
 * consumer must then be synchronous.
 *
 * Unsubscribing, or a failure of the keys, of a load or of `use`, aborts the signal that running loads were given; what
 * they still deliver is dropped. A key is asked for when its load begins: memory does not grow with their number.
 */
export function prefetch<Key, Loaded>(
  keys: Iterable<Key>,
  bound: number,
  load: Load<Key, Loaded>,
): Observable<Loaded>;
export function prefetch<Key, Loaded, Result>(
  keys: Iterable<Key>,
  bound: number,
  load: Load<Key, Loaded>,
  use: (loaded: Loaded, index: number) => ObservableInput<Result>,
): Observable<Result>;
export function prefetch<Key, Loaded>(
  keys: Iterable<Key>,
  bound: number,
  load: Load<Key, Loaded>,
  use?: (loaded: Loaded, index: number) => ObservableInput<unknown>,
): Observable<unknown> {
  if (!Number.isInteger(bound) || bound < 1)
    throw new RangeError(`prefetch needs a positive bound: ${bound}`);
  return new Observable<unknown>((subscriber) => {
    const controller = new AbortController();
    const remaining = keys[Symbol.iterator]();
    const loaded = new Map<number, Loaded>();
    let loading = 0; // index of the next key to load
    let using = 0; // index of the value in use, or next to be used
    let inUse: Subscription | undefined;
    let busy = false;
    let keysEnded = false;

    const fail = (error: unknown): void => {
      subscriber.error(error);
    };
    const startLoading = (): void => {
      while (!subscriber.closed && !keysEnded && loading < using + bound) {
        let next: IteratorResult<Key>;
        try {
          next = remaining.next();
        } catch (error) {
          fail(error);
          return;
        }
        if (next.done === true) {
          keysEnded = true;
          return;
        }
        const index = loading++;
        const key = next.value;
        Promise.resolve()
          .then(() => load(key, controller.signal))
          .then((value) => {
            if (subscriber.closed) return;
            loaded.set(index, value);
            advance();
          }, fail);
      }
    };
    const finishUse = (): void => {
      using++;
      busy = false;
      startLoading();
    };
    const useNext = (): void => {
      const value = loaded.get(using) as Loaded;
      const index = using;
      loaded.delete(index);
      busy = true;
      if (use === undefined) {
        subscriber.next(value);
        finishUse();
        return;
      }
      let results: Observable<unknown>;
      try {
        results = from(use(value, index));
      } catch (error) {
        fail(error);
        return;
      }
      let synchronous = true;
      inUse = results.subscribe({
        next: (result) => {
          subscriber.next(result);
        },
        error: fail,
        complete: () => {
          finishUse();
          if (!synchronous) advance();
        },
      });
      synchronous = false;
      if (subscriber.closed) inUse.unsubscribe();
    };
    const advance = (): void => {
      while (!subscriber.closed && !busy && loaded.has(using)) useNext();
      if (keysEnded && !busy && using === loading) subscriber.complete();
    };

    subscriber.add(() => {
      controller.abort(new DOMException('The result is no longer wanted.', 'AbortError'));
      inUse?.unsubscribe();
      loaded.clear();
      remaining.return?.();
    });
    startLoading();
    advance();
  });
}

/** The whole numbers from `first` to before `end`, one at a time. */
export function integers(first: number, end: number): Iterable<number> {
  return {
    *[Symbol.iterator]() {
      for (let value = first; value < end; value++) yield value;
    },
  };
}
