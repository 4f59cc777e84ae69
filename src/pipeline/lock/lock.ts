import type { Environment } from '../environment.js';
import type { Acceptance, Json } from '../stage.js';

/** What a pipeline gave when it ran, for people to review and for `--locked` to hold a later run against. */
export interface Lock {
  readonly format: 1;
  readonly pipeline: string;
  /** `--set` options that the run was given; absent where there were none. */
  readonly set?: readonly string[];
  /** With what most stages were made: the last one. */
  readonly madeWith: Environment;
  /** By id, in the order in which they run. */
  readonly stages: Readonly<Record<string, LockedStage>>;
}

export interface LockedStage {
  readonly kind: string;
  readonly codeVersion: number;
  /** Absent where the output does not depend on it. */
  readonly seed?: number;
  /** Absent where the output does not depend on it. */
  readonly precision?: string;
  /** What computed the output; absent where it does not depend on it. */
  readonly engine?: string;
  /** The configuration with defaults, without paths of inputs and without keys that change no output. */
  readonly config: Readonly<Record<string, Json>>;
  /** Values of the keys that change no output; not compared. */
  readonly withoutEffect?: Readonly<Record<string, Json>>;
  /** Files and folders from outside, by the key that names each. */
  readonly inputs?: Readonly<Record<string, LockedInput>>;
  /** Revision of what was fetched, where the stage tells one. */
  readonly revision?: string;
  readonly fingerprint: string;
  /** Hash of the output; absent where all of it tells how it was made, as a report does. */
  readonly output?: string;
  /** Present where someone accepted an output that was made from something else. */
  readonly accepted?: Omit<Acceptance, 'at'>;
  /** What is not as in the lock's `madeWith`. */
  readonly madeWith?: Partial<Environment>;
  /** What the stage told of its output; not compared, since the output is. */
  readonly figures?: Readonly<Record<string, Json>>;
}

export interface LockedInput {
  readonly files: number;
  readonly bytes: number;
  /** Over the names and the content of all files. */
  readonly sha256: string;
}
