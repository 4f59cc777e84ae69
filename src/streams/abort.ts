import { Observable, type MonoTypeOperatorFunction } from 'rxjs';

/** Whether `error` says that work was abandoned on request rather than that it failed. */
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
