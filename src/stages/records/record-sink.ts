/** Figures as of a step. */
export interface TrainingRecord {
  readonly step: number;
  /** Unix time. */
  readonly timeSeconds: number;
  readonly figures: Readonly<Record<string, number>>;
}

/** A place that figures go to beside the files that are always written. */
export interface RecordSink {
  /** As a warning names it. */
  readonly name: string;
  /** Where a person finds it, once that is known. */
  readonly place?: string | undefined;
  /** @throws what is wrong with the service, now or since the last record: it is then given up */
  log(record: TrainingRecord): Promise<void>;
  /** Sends what is left, within bounded time. */
  close(): Promise<void>;
}
