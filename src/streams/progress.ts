import { defer, map, type OperatorFunction } from 'rxjs';

/** A progress event as stages tell it. */
export interface Progress {
  readonly type: 'progress';
  readonly done: number;
  readonly total: number;
  readonly unit: string;
  readonly figures?: Readonly<Record<string, number>>;
}

export interface ProgressOptions<T> {
  /** What `done` is when everything is done. */
  readonly total: number;
  /** Plural noun of what is counted. */
  readonly unit: string;
  /** What was done before this session. Default 0. */
  readonly start?: number;
  /** How much one value adds. Default 1. */
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
