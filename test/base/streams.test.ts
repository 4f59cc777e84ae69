import {
  concat,
  defer,
  lastValueFrom,
  map,
  mergeMap,
  NEVER,
  type Observable,
  of,
  range,
  Subject,
  take,
  throwError,
  timer,
  toArray,
} from 'rxjs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { integers, prefetch } from '../../src/base/prefetch.js';
import { abortable, abortError, everyMs, everyN, isAbortError, progress } from '../../src/base/streams.js';

const collect = <T>(stream: Observable<T>): Promise<T[]> => lastValueFrom(stream.pipe(toArray()));

describe('everyN', () => {
  it('passes every n-th value and the last', async () => {
    expect(await collect(range(1, 8).pipe(everyN(3)))).toEqual([3, 6, 8]);
  });
  it('does not repeat a last value that was already passed', async () => {
    expect(await collect(range(1, 6).pipe(everyN(3)))).toEqual([3, 6]);
  });
  it('refuses a count that is not positive', () => {
    expect(() => everyN(0)).toThrow(RangeError);
  });
});

describe('everyMs', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('passes the first at once, then the newest of each interval', () => {
    const source = new Subject<number>();
    const seen: number[] = [];
    source.pipe(everyMs(100)).subscribe((value) => seen.push(value));
    source.next(1);
    source.next(2);
    source.next(3);
    expect(seen).toEqual([1]);
    vi.advanceTimersByTime(100);
    expect(seen).toEqual([1, 3]);
    source.next(4);
    expect(seen).toEqual([1, 3]);
    vi.advanceTimersByTime(1000);
    source.next(5);
    expect(seen).toEqual([1, 3, 4, 5]);
  });
  it('ends with the last value at once, on completion and on failure', async () => {
    expect(await collect(range(1, 5).pipe(everyMs(1000)))).toEqual([1, 5]);
    const isEven = (value: number) => value % 2 === 0;
    expect(await collect(of(2, 4, 6, 1, 3, 8, 10).pipe(everyMs(1000, isEven)))).toEqual([2, 6, 1, 3, 10]);
    const seen: number[] = [];
    concat(
      range(1, 5),
      throwError(() => new Error('x')),
    )
      .pipe(everyMs(1000))
      .subscribe({ next: (value) => seen.push(value), error: () => seen.push(-1) });
    expect(seen).toEqual([1, 5, -1]);
  });
  it('leaves no timer behind', () => {
    const subscription = concat(of(1, 2), NEVER).pipe(everyMs(1000)).subscribe();
    subscription.unsubscribe();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('abortable', () => {
  it('fails with an AbortError and unsubscribes from the source', () => {
    const controller = new AbortController();
    const source = new Subject<number>();
    let failure: unknown;
    source.pipe(abortable(controller.signal)).subscribe({ error: (error: unknown) => (failure = error) });
    expect(source.observed).toBe(true);
    controller.abort();
    expect(isAbortError(failure)).toBe(true);
    expect(source.observed).toBe(false);
  });
  it('never subscribes when already aborted', () => {
    const subscribed = vi.fn(() => of(1));
    let failure: unknown;
    defer(subscribed)
      .pipe(abortable(AbortSignal.abort()))
      .subscribe({ error: (error: unknown) => (failure = error) });
    expect(subscribed).not.toHaveBeenCalled();
    expect(isAbortError(failure)).toBe(true);
  });
  it('gives an AbortError whatever the reason of the signal', () => {
    expect(isAbortError(abortError(AbortSignal.abort('because')))).toBe(true);
    expect(isAbortError(abortError(AbortSignal.timeout(0)))).toBe(true);
    expect(isAbortError(new Error('AbortError'))).toBe(false);
  });
});

describe('prefetch', () => {
  const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

  it('keeps the order of keys whatever the order of loading', async () => {
    const delays = [9, 1, 5, 0, 3];
    const values = await collect(
      prefetch(delays, 3, async (ms) => {
        await sleep(ms);
        return ms;
      }),
    );
    expect(values).toEqual(delays);
  });

  it.each([1, 2, 4])(
    'never holds more than %i values with a slow consumer, and reaches it',
    async (bound) => {
      let alive = 0;
      let most = 0;
      const results = await collect(
        prefetch(
          integers(0, 30),
          bound,
          (key) => {
            most = Math.max(most, ++alive);
            return Promise.resolve(key);
          },
          (key) =>
            timer(1).pipe(
              mergeMap(() => {
                alive--;
                return of(key, -key);
              }),
            ),
        ),
      );
      expect(results).toEqual(Array.from({ length: 30 }, (_, i) => [i, -i]).flat());
      expect(most).toBe(bound);
    },
  );

  it('aborts running loads when unsubscribed', async () => {
    const signals: AbortSignal[] = [];
    const subscription = prefetch(integers(0, 10), 2, (_key, signal) => {
      signals.push(signal);
      return new Promise<never>(() => undefined);
    }).subscribe();
    await sleep(5);
    subscription.unsubscribe();
    expect(signals.map((signal) => signal.aborted)).toEqual([true, true]);
  });

  it('passes on a failure of loading, of use and of the keys', async () => {
    const boom = new Error('boom');
    const load = (key: number): Promise<number> => (key === 2 ? Promise.reject(boom) : Promise.resolve(key));
    await expect(collect(prefetch(integers(0, 5), 2, load))).rejects.toBe(boom);
    const use = (): never => {
      throw boom;
    };
    await expect(collect(prefetch([1], 2, load, use))).rejects.toBe(boom);
    const keys = {
      *[Symbol.iterator]() {
        yield 1;
        throw boom;
      },
    };
    await expect(collect(prefetch(keys, 2, load))).rejects.toBe(boom);
  });

  it('completes with no keys, and with thousands used synchronously', async () => {
    expect(await collect(prefetch([], 2, (key) => Promise.resolve(key)))).toEqual([]);
    const many = await collect(
      prefetch(
        integers(0, 5000),
        8,
        (key) => Promise.resolve(key),
        (key) => of(key),
      ),
    );
    expect(many).toHaveLength(5000);
  });

  it('asks for no key before its load begins: 300 million take the memory and the time of a few', async () => {
    let asked = 0;
    const keys = {
      *[Symbol.iterator]() {
        for (const key of integers(0, 300_000_000)) {
          asked++;
          yield key;
        }
      },
    };
    const used: number[] = [];
    const results = prefetch(
      keys,
      4,
      (key) => Promise.resolve(key),
      (key) => {
        expect(asked).toBeLessThanOrEqual(used.push(key) + 3);
        return of(key);
      },
    );
    expect(await collect(results.pipe(take(1000)))).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    expect(asked).toBeLessThanOrEqual(1004);
  });
});

describe('progress', () => {
  it('counts from where an earlier session stopped', async () => {
    const events = await collect(
      of(0.5, 0.25).pipe(
        progress({ total: 10, unit: 'steps', start: 7, figures: (loss) => ({ loss }) }),
        map(({ done, figures }) => [done, figures?.loss]),
      ),
    );
    expect(events).toEqual([
      [8, 0.5],
      [9, 0.25],
    ]);
  });
  it('adds what a value counts for, afresh for each subscriber', async () => {
    const stream = of([1, 2], [3]).pipe(
      progress({ total: 3, unit: 'images', count: (batch) => batch.length }),
    );
    for (let again = 0; again < 2; again++)
      expect((await collect(stream)).map(({ done }) => done)).toEqual([2, 3]);
  });
});
