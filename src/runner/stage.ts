import type { Observable } from 'rxjs';
import type { RuntimeConfig } from '../generated/index.js';
import type { PipelineRules } from './check.js';
import type { Json, Origin } from './fingerprint/origin.js';

/** Event of a running stage. A closed union: every renderer handles each of these. */
export type StageEvent =
  | StageProgress
  /** Notice worth a line: a skipped file, a fallback taken. */
  | { readonly type: 'notice'; readonly level: 'info' | 'warning'; readonly message: string }
  /**
   * Facts about the finished output, kept in its manifest and shown by `plan`, reports and comparisons. Those that are
   * `measured` tell of the run that made it, such as its memory: a lock leaves them out, as no other run repeats them.
   */
  | { readonly type: 'summary'; readonly values: Readonly<Record<string, Json>>; readonly measured?: true };

/** Progress of the stage. `figures` are current values such as `loss`, shown beside the rate. */
export interface StageProgress {
  readonly type: 'progress';
  readonly done: number;
  readonly total: number;
  /** Plural noun of what is counted: `images`, `steps`, `samples`. */
  readonly unit: string;
  readonly figures?: Readonly<Record<string, number>>;
}

export const isProgress = (event: StageEvent): event is StageProgress => event.type === 'progress';

/** Progress as it is kept: what it is goes without saying there. */
export type KeptProgress = Omit<StageProgress, 'type'>;

/** Part that is done, in per cent; undefined where there is nothing to do. */
export const percentDone = ({ done, total }: KeptProgress): number | undefined =>
  total > 0 ? (100 * done) / total : undefined;

/** Drops the event's type. */
export function withoutType({ done, total, unit, figures }: StageProgress): KeptProgress {
  return { done, total, unit, ...(figures && { figures }) };
}

/** Record that someone accepted an output as it is, though what it was made from is not what is asked for now. */
export interface Acceptance {
  /** Fingerprint of the accepted output. */
  readonly output: string;
  /** ISO 8601. */
  readonly at: string;
  /** Differences between the two, in words. */
  readonly differences: readonly string[];
}

/** The finished output of an earlier stage. */
export interface StageOutput {
  readonly stage: string;
  readonly kind: string;
  /** Absolute path of the folder that holds the output. Read-only. */
  readonly directory: string;
  readonly fingerprint: string;
  /** Content of the output, however it was made; absent where that is not known, as in pages about runs. */
  readonly content?: string;
  /** The stage's configuration, with defaults applied: as it is now, in keys that change no output too. */
  readonly config: Json;
  readonly summary: Readonly<Record<string, Json>>;
  /** The number of the summary by which the output is compared with others; absent where it has none. */
  readonly headline?: Headline;
  /** Time that the stage took when it was run, over all of its sessions. */
  readonly seconds: number;
  /** Present where someone accepted it as it is. */
  readonly accepted?: Acceptance;
}

export type { Json, RuntimeConfig };

/** Inputs of a stage, as they were when the run was planned. Plain data: it crosses processes. */
export interface StageReads {
  /** Absolute path of the folder of all runs, which knows the hashes of files. */
  readonly runsRoot: string;
  /** Files and folders from outside. */
  readonly contents: readonly FingerprintedContent[];
  /** Folders of other stages' outputs. */
  readonly outputs: readonly Pick<StageOutput, 'directory' | 'fingerprint'>[];
}

/** A file or folder from outside with the digest of its content, and where the hashes of its files are kept. */
export interface FingerprintedContent {
  /** Absolute path. */
  readonly location: string;
  readonly digest: string;
  readonly hashes?: string;
}

/** Surroundings of a running stage. */
export interface StageContext {
  /** The stage's id in the pipeline file. */
  readonly id: string;
  readonly pipelineName: string;
  /** Absolute path of the folder of the pipeline file: relative paths in a configuration start there. */
  readonly pipelineDirectory: string;
  readonly seed: number;
  readonly runtime: RuntimeConfig;
  /**
   * Absolute path of the folder to write to. Empty at first; after an interruption it holds what the
   * interrupted session left, which the stage continues. It becomes the stage's output when the stage completes.
   */
  readonly directory: string;
  /** The output of an upstream stage, by stage id as written in the configuration. */
  input(stage: string): StageOutput;
  /** Present where several processes run the stage together: this one's part in it. */
  readonly workers?: StageWorkers;
  /** Origin of the output, which it is known by. Absent where a stage is run outside of a pipeline. */
  readonly origin?: Origin;
  /** Content that the inputs of the stage must have. Absent where a stage is run outside of a pipeline. */
  readonly reads?: StageReads;
  /** Result of the kind's `pin` when the run was planned; absent where that asks for nothing. */
  readonly pins?: Readonly<Record<string, string>>;
  /**
   * Present where the stage runs beside others: GPUs, by the names that CUDA_VISIBLE_DEVICES has for them, that are its
   * own. Processes that see these alone run it.
   */
  readonly devices?: readonly string[];
  /** Present where the stage's first steps are to be profiled: how many, and the absolute path of the trace to write. */
  readonly profile?: { readonly steps: number; readonly file: string };
  /** Aborted when the user interrupts: the stage saves what it must and completes its stream with an AbortError. */
  readonly signal: AbortSignal;
}

/** The part of one of several processes that run a stage together, each with the same configuration and folder. */
export interface StageWorkers {
  /** Number of this process, from 0. Worker 0 writes what belongs to the whole output, and its events are shown. */
  readonly rank: number;
  readonly size: number;
  /** `host:port` for TensorFlow's server of each, by rank. */
  readonly addresses: readonly string[];
  /** Resolves once every other worker has done its part; for worker 0, before it finishes the output. */
  othersDone(): Promise<void>;
}

/** One fact that `plan` shows about a stage, such as `parameters`: `32.9 million`. */
export interface StageFact {
  readonly label: string;
  readonly value: string;
  /** Memory that the stage is expected to need, where the fact is about that: of each worker. */
  readonly bytes?: number;
}

/** Work in units that take the same time, such as steps; by name where there are several sorts of units. */
export type WorkAmount = number | Readonly<Record<string, number>>;

/** Measure of a stage's time: of two stages that are alike, it is about in proportion to the amount. */
export interface StageTiming {
  /** Absent where it is not known before anything runs. */
  readonly amount?: WorkAmount | undefined;
  /** Facts that such a unit's time depends on, beside the machine. */
  readonly like: object;
}

/** Speed of a stage's work on this machine, measured on made-up inputs. */
export interface StageRate {
  /** Time before the first unit of work: sessions, weights, tracing. */
  readonly setupSeconds: number;
  /** Time of a unit of `StageTiming.amount`, of each sort where there are several. */
  readonly unitSeconds: WorkAmount;
  /** The same at most, where it depends on what is only known when it runs. */
  readonly mostUnitSeconds?: WorkAmount;
  /** Units of work, of a stage whose `timing` does not know them. */
  readonly amount?: number;
  /** Facts that the output's summary will have, such as the number of images, for stages that depend on them. */
  readonly foreseen?: Readonly<Record<string, Json>>;
}

/** Absolute paths of the folders that a plan is made with. */
export interface PlanFolders {
  /** That of the pipeline file: relative paths in a configuration start there. */
  readonly pipeline: string;
  /** That of all runs: what lies in it is no input, also where an input lies around it. */
  readonly runs: string;
}

/** Reason why a stage's time cannot be told before it has run: the end of a sentence that begins with "not known:". */
export interface UntoldTime {
  readonly untold: string;
}

/** Says that a time depends on what a stage gives, which has not run yet. */
export const untoldBefore = (stage: string): UntoldTime => ({
  untold: `what ${stage} gives is not known before it has run`,
});

/** A number that says how well a stage did. */
export interface Headline {
  /** Its name in the summary or in the figures of the progress. */
  readonly name: string;
  readonly better: 'less' | 'more';
  /**
   * Dotted keys of the stage that change what the number measures: stages that differ in them are not compared by it. One
   * that names a stage stands for what that stage makes.
   */
  readonly within?: readonly string[];
}

/** Knowledge about a referenced stage before anything runs. */
export interface PlannedInput {
  readonly kind: string;
  /** Configuration of the stage, with defaults applied. */
  readonly config: Json;
  /** Fingerprint that its output has, or will have unless earlier stages give something new; absent in old records. */
  readonly fingerprint?: string;
  /** Output of the stage, where it is cached: gives facts that no configuration holds, such as a number of images. */
  readonly output?: StageOutput;
  /** Facts that its summary will have, where they were looked up before it has run. */
  readonly foreseen?: Readonly<Record<string, Json>>;
}

/** A kind of stage: what `uses:` names. */
export interface StageKind<Config> {
  readonly name: string;
  /** Raised whenever the same configuration would give other output: part of the fingerprint. */
  readonly codeVersion: number;
  /** Absolute paths of files and folders, outside the pipeline's own outputs, whose content the output depends on. */
  externalInputs(config: Config, pipelineDirectory: string): readonly string[];
  /**
   * Resolves names in the configuration whose meaning can move, such as a branch of a repository: by the key that holds
   * the name. In the fingerprint this takes the name's place, so that it is asked for in planning.
   *
   * @throws UserError where it cannot be told
   */
  pin?(
    config: Config,
    pipelineDirectory: string,
    signal?: AbortSignal,
  ): Promise<Readonly<Record<string, string>>>;
  /** True when `runtime.precision` changes the output: it is then part of the fingerprint. */
  readonly dependsOnPrecision: boolean;
  /**
   * True when tensors are computed, so that another engine, or another version of it, gives other numbers: its name is
   * then part of the fingerprint. Default false.
   */
  readonly dependsOnEngine?: boolean;
  /** True when the pipeline's seed changes the output. Default true: it is then part of the fingerprint. */
  readonly dependsOnSeed?: boolean;
  /**
   * True when a file of the output, by its path in the output's folder, tells how the output was made rather than what
   * was made: a log, timings, what keys that change no output decide. Such files are no part of the output's hash.
   * Default: none is. `all` are the paths of all files.
   */
  isIncidental?(path: string, all: readonly string[]): boolean;
  /**
   * Names of the files, below the first external input, that later stages read by way of an output: they are then part of
   * what the output is to those stages. For a kind whose output only names what is elsewhere. Undefined where that is no
   * external input but what was pinned: the output is then its fingerprint.
   */
  passesOn?(directory: string): Promise<readonly string[] | undefined>;
  /**
   * Facts for `plan`, worked out from configurations alone: parameters, GFLOPs, memory, steps.
   * `resolve` gives a referenced stage by its id.
   */
  describe?(
    config: Config,
    resolve: (stage: string) => PlannedInput,
    runtime: RuntimeConfig,
    pipelineDirectory: string,
  ): Promise<readonly StageFact[]>;
  /**
   * Work of a stage, by which the time that it takes is told from what stages like it took. Undefined where it cannot be
   * told yet.
   *
   * @param made its output, where it tells of a stage that was run
   */
  timing?(
    config: Config,
    resolve: (stage: string) => PlannedInput,
    made?: Pick<StageOutput, 'directory'>,
  ): Promise<StageTiming | undefined>;
  /**
   * Measures how fast one process works at such a stage here, in a few seconds, on made-up inputs of the right shapes; or
   * says why that cannot be told.
   */
  measure?(
    config: Config,
    resolve: (stage: string) => PlannedInput,
    runtime: RuntimeConfig,
    folders: PlanFolders,
  ): Promise<StageRate | UntoldTime>;
  /** True where it takes a second or two at most, whatever it is asked for: `plan` says so where no record tells. */
  readonly isQuick?: boolean;
  /** Seconds of a unit of work without setting up, from what an output logged; undefined where it logged too little. */
  unitSeconds?(output: Pick<StageOutput, 'directory'>): Promise<WorkAmount | undefined>;
  /**
   * True when its output shows how its inputs were configured: equal outputs of earlier stages that were configured
   * otherwise are then not the same to it.
   */
  readonly tellsOfInputs?: boolean;
  /**
   * Looks, before anything runs, into what only files and the machine tell, such as the shapes in a checkpoint's header
   * and the memory of a GPU.
   *
   * @throws UserError where the stage cannot run
   */
  check?(
    config: Config,
    resolve: (stage: string) => PlannedInput,
    pipelineDirectory: string,
    runtime: RuntimeConfig,
  ): Promise<void>;
  /**
   * Names of the numbers that its output may come to, in its summary or as the last figures of its progress: columns of a
   * sweep's table, so that one to sort by is checked before anything runs. Those within a map go by the map's name.
   */
  readonly figures: readonly string[];
  /**
   * Those of its numbers that say what it was asked for or how much it did, not how well: lists of figures leave them
   * out. Default: none.
   */
  readonly amounts?: readonly string[];
  /**
   * Those of its numbers by which outputs are compared, the first that an output has before the others: shown first
   * wherever there is a list of figures, and what trials of a sweep are judged by. Default: none.
   */
  readonly headlines?: readonly Headline[];
  /** Judgement of a stage that goes by steps before it is finished, for sweeps that stop bad trials. */
  readonly onTheWay?: {
    /** Figure that is told on the way. */
    readonly headline: Headline;
    /** Figures as of a step, from the folder of the stage; undefined where it has not come so far. */
    figuresAt(directory: string, step: number): Promise<Readonly<Record<string, number>> | undefined>;
  };
  /** True when several workers can run it together, as `StageContext.workers` tells each. */
  readonly dataParallel?: boolean;
  /** Rules between keys that the schema cannot express. Each gets a valid stage of the kind, and a `CheckContext`. */
  readonly checks?: readonly ((stage: never, context: never) => void)[];
  /** Runs the stage. Cold: work starts on subscription and stops on unsubscription or abort. */
  run(config: Config, context: StageContext): Observable<StageEvent>;
}

/** A stage that is about to run. */
export interface StageWork {
  readonly kind: StageKind<unknown>;
  readonly config: unknown;
  readonly context: StageContext;
  /** The outputs that `context.input` gives. */
  readonly inputs: readonly StageOutput[];
}

/** Runs a stage, in this process or in others. Cold, as `StageKind.run`. */
export type StageExecutor = (work: StageWork) => Observable<StageEvent>;

/** Registry of stage kinds. Loading one may be slow, so that only what a file uses is loaded. */
export interface StageRegistry {
  /** Rules for pipeline files that name these kinds. */
  readonly rules: PipelineRules;
  /** Names that `uses:` may take. */
  readonly names: readonly string[];
  /** Configurations have been checked against the kind's schema before they reach it. */
  load(kind: string): Promise<StageKind<unknown>>;
}
