import { Observable } from 'rxjs';

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
