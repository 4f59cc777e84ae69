import { renameSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { join, relative } from 'node:path';
import { type FileLock, tryLock } from '../../base/file-lock.js';
import { writePlainSync } from '../../base/files.js';
import { sealJson, sealLine } from '../../base/sealed.js';
import { formatReason } from '../plan/reasons.js';
import { type Headline, type Json, type KeptProgress, type StageEvent, withoutType } from '../stage.js';
import type { Failure, RunEvent, TimedRunEvent } from './events.js';
import type { RunFolder } from './run-folder.js';

const progressEveryMilliseconds = 1000;
const logProgressEveryMilliseconds = 15_000;

/**
 * Writes a run down while it happens: `run.json` with its state, `events.jsonl` with what happened, and a log for each
 * stage that runs. Progress is thinned to one line a second. Until the run has ended its lock is held, which tells a
 * running process from one that died.
 */
export class RunRecord {
  private readonly directory: string;
  private readonly lock: FileLock | undefined;
  private run: RunFile;
  private readonly progress = new Map<string, KeptProgress>();
  private readonly lastProgress = new Map<string, number>();
  private readonly lastLogged = new Map<string, number>();

  constructor(folder: RunFolder, facts: { pipeline: string; file: string; options: RunOptionsRecord }) {
    this.directory = folder.directory;
    this.lock = tryLock(join(folder.directory, runLockName));
    this.run = {
      format: 1,
      pipeline: facts.pipeline,
      file: facts.file,
      status: 'running',
      host: hostname(),
      pid: process.pid,
      node: process.version,
      startedAt: folder.startedAt,
      options: facts.options,
      configuration: folder.configuration,
      stages: {},
    };
    this.save();
  }

  /** Absolute path of a stage's log. */
  logOf(stage: string): string {
    return join(this.directory, `${stage}.log`);
  }

  /** @throws the file system's error where the run cannot be written down. */
  add(event: TimedRunEvent): void {
    if (event.type === 'stage-event' && event.event.type === 'progress')
      this.progress.set(event.stage, withoutType(event.event));
    if (this.update(event)) this.save();
    if (event.type === 'stage-event') this.log(event.stage, event.time, event.event);
    else if (event.type === 'run-interrupted')
      for (const stage of event.stages) this.write(stage, event.time, 'interrupted');
    else if ('stage' in event) this.logChange(event.stage, event);
    if (!this.isThinned(event)) writePlainSync(join(this.directory, eventsName), `${sealLine(event)}\n`, 'a');
    if (this.run.status !== 'running') this.release();
  }

  /** Takes back that the run continues an earlier forcing. */
  forcesAnew(): void {
    const { forcedSince, ...options } = this.run.options;
    if (forcedSince === undefined) return;
    this.run = { ...this.run, options };
    this.save();
  }

  /** Marks a run that failed before any stage could run. Never throws: something else has already gone wrong. */
  abandon(): void {
    this.run = { ...this.run, status: 'failed', finishedAt: new Date().toISOString() };
    try {
      this.save();
    } catch {
      // The reason is being told already.
    }
    this.release();
  }

  private release(): void {
    rmSync(join(this.directory, runLockName), { force: true });
    this.lock?.release();
  }

  /** Takes the event into the state; whether that changed. */
  private update(event: TimedRunEvent): boolean {
    switch (event.type) {
      case 'run-started':
        for (const { stage, kind, fingerprint, after, reasons, expectedSeconds } of event.stages)
          this.change(stage, {
            kind,
            fingerprint,
            after,
            status: 'waiting',
            reasons: reasons.map(formatReason),
            ...(expectedSeconds && { expectedSeconds }),
          });
        return true;
      case 'stage-started':
        this.change(event.stage, { status: 'running', fingerprint: event.fingerprint });
        return true;
      case 'stage-cached':
      case 'stage-finished':
        this.change(event.stage, {
          status: event.type === 'stage-cached' ? 'cached' : 'finished',
          fingerprint: event.fingerprint,
          output: relative(this.directory, event.output),
          seconds: event.totalSeconds,
          summary: plainValues(event.summary),
          figures: event.figures,
          ...(event.headline && { headline: event.headline }),
          ...(event.amounts && { amounts: event.amounts }),
        });
        return true;
      case 'stage-failed':
        this.change(event.stage, { status: 'failed', failure: event.failure });
        return true;
      case 'run-finished':
      case 'run-failed':
      case 'run-interrupted':
        for (const stage of event.type === 'run-interrupted' ? event.stages : [])
          this.change(stage, { status: 'interrupted' });
        this.run = {
          ...this.run,
          status: event.type.slice('run-'.length) as RunFile['status'],
          finishedAt: event.time,
        };
        return true;
      case 'reading-inputs':
      case 'stage-waiting':
      case 'output-damaged':
      case 'record-damaged':
      case 'stage-event':
        return false;
    }
  }

  private change(stage: string, change: Partial<StageRecord>): void {
    const progress = this.progress.get(stage);
    const record = { ...this.run.stages[stage], ...change, ...(progress && { progress }) } as StageRecord;
    this.run = { ...this.run, stages: { ...this.run.stages, [stage]: record } };
  }

  private isThinned(event: RunEvent): boolean {
    if (event.type !== 'reading-inputs' && !(event.type === 'stage-event' && event.event.type === 'progress'))
      return false;
    const progress = event.type === 'reading-inputs' ? event : (event.event as StageEvent & { done: number });
    if ('total' in progress && progress.done === progress.total) return false;
    return !this.isDue(this.lastProgress, event.stage, progressEveryMilliseconds);
  }

  private isDue(times: Map<string, number>, key: string, milliseconds: number): boolean {
    const now = performance.now();
    if (now - (times.get(key) ?? -Infinity) < milliseconds) return false;
    times.set(key, now);
    return true;
  }

  private log(stage: string, time: string, event: StageEvent): void {
    if (event.type === 'notice') this.write(stage, time, `${event.level}: ${event.message}`);
    else if (event.type === 'summary') this.write(stage, time, `summary: ${JSON.stringify(event.values)}`);
    else if (event.done === event.total || this.isDue(this.lastLogged, stage, logProgressEveryMilliseconds)) {
      const figures = Object.entries(event.figures ?? {}).map(([name, value]) => `, ${name} ${value}`);
      this.write(stage, time, `${event.done} of ${event.total} ${event.unit}${figures.join('')}`);
    }
  }

  private logChange(stage: string, event: TimedRunEvent): void {
    if (event.type === 'stage-started')
      this.write(
        stage,
        event.time,
        `${event.resumed ? 'continues' : 'starts'}${onDevices(event)} (${event.reasons.map(formatReason).join('; ')})`,
      );
    else if (event.type === 'stage-finished')
      this.write(stage, event.time, `finished after ${event.seconds.toFixed(1)} s in this session`);
    else if (event.type === 'stage-failed')
      this.write(stage, event.time, `failed: ${event.failure.stack ?? event.failure.message}`);
  }

  private write(stage: string, time: string, text: string): void {
    writePlainSync(this.logOf(stage), `${time} ${text}\n`, 'a');
  }

  private save(): void {
    const path = join(this.directory, runName);
    writePlainSync(`${path}.tmp`, sealJson(this.run, 2));
    renameSync(`${path}.tmp`, path);
  }
}

/** Names the GPUs on which a stage starts that has some of its own, such as ` on GPU 2`; empty for others. */
export function onDevices({ devices = [] }: { readonly devices?: readonly string[] }): string {
  return devices.length === 0 ? '' : ` on GPU ${devices.join(', ')}`;
}

/** Numbers, texts and the like: what a list of runs shows. */
function plainValues(summary: Readonly<Record<string, Json>>): Readonly<Record<string, Json>> {
  return Object.fromEntries(Object.entries(summary).filter(([, value]) => typeof value !== 'object'));
}

/** Names, in a run's folder, of its state, of the lock that its process holds while it lives, and of what happened. */
export const runName = 'run.json';
export const runLockName = 'run.lock';
export const eventsName = 'events.jsonl';

/** A run as `run.json` tells it: small, so that a thousand of them are read in a moment. */
export interface RunFile {
  readonly format: 1;
  readonly pipeline: string;
  /** Absolute path of the pipeline's file. */
  readonly file: string;
  /** `running` is also what a process leaves that died: its lock tells. */
  readonly status: 'running' | 'finished' | 'failed' | 'interrupted';
  readonly host: string;
  readonly pid: number;
  readonly node: string;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly finishedAt?: string;
  readonly options: RunOptionsRecord;
  /** SHA-256 of `resolved.yaml` and `origins.json` beside it; earlier versions did not say. */
  readonly configuration?: Readonly<Record<string, string>>;
  /** Stages by id, in the order in which they run. */
  readonly stages: Readonly<Record<string, StageRecord>>;
}

/** Options that the run was given, beside the file. */
export interface RunOptionsRecord {
  readonly set: readonly string[];
  readonly until?: string | undefined;
  readonly force: readonly string[];
  /** ISO 8601: when forcing began, where the run continues an interrupted one. Else it began with the run. */
  readonly forcedSince?: string | undefined;
}

export type StageStatus = 'waiting' | 'running' | 'cached' | 'finished' | 'failed' | 'interrupted';

export interface StageRecord {
  readonly kind: string;
  /** Ids of the stages whose output it reads. */
  readonly after: readonly string[];
  readonly status: StageStatus;
  /** Reasons why it ran or is to run, in words; empty where it is cached. */
  readonly reasons: readonly string[];
  readonly fingerprint?: string;
  /** Path of the finished output, relative to the run's folder. */
  readonly output?: string;
  /** Time that the output took, over all sessions. */
  readonly seconds?: number;
  /** Plain values of the summary; lists and maps are in the output's manifest only. */
  readonly summary?: Readonly<Record<string, Json>>;
  /** Last figures of the progress of a finished stage, in whichever run that was. */
  readonly figures?: Readonly<Record<string, number>>;
  /** The number by which the output is compared with others. */
  readonly headline?: Headline;
  /** Numbers of the summary and the figures that lists of figures leave out. */
  readonly amounts?: readonly string[];
  /** Progress when the run last changed; a running stage's events are newer. */
  readonly progress?: KeptProgress;
  readonly failure?: Failure;
  /** Range of the time that it was expected to take when the run began. */
  readonly expectedSeconds?: readonly [least: number, most: number];
}
