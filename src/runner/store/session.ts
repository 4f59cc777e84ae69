import { randomUUID } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isSince } from '../../base/clock.js';
import { UserError } from '../../base/errors.js';
import { appendPlain, asUserError } from '../../base/files.js';
import {
  DamagedRecord,
  readRecord,
  sealJson,
  sealLine,
  tellDamaged,
  unsealAnyLine,
  unsealJson,
} from '../../base/sealed.js';
import { type OutputPlace, replaceFile } from './manifest.js';

/** Record of an output while it is being made. */
interface SessionRecord {
  readonly fingerprint: string;
  /** Time spent on the output so far. */
  readonly seconds: number;
  /** ISO 8601: when work on it began, from nothing. */
  readonly begunAt: string;
}

const saveEveryMilliseconds = 10_000;

/**
 * Finds what interrupted sessions left of an output; undefined where there was none.
 *
 * @param since ISO 8601: what was begun before does not count
 * @throws UserError `session-damaged` where that cannot be told, and what is there would be discarded
 */
export async function interruptedSession(
  place: OutputPlace,
  since = '',
): Promise<Pick<SessionRecord, 'seconds' | 'begunAt'> | undefined> {
  try {
    const text = await readRecord(place.session);
    if (text === undefined) return undefined;
    // Earlier versions did not say when.
    const { seconds, begunAt = '', fingerprint } = unsealJson(text);
    if (typeof seconds !== 'number' || typeof begunAt !== 'string' || typeof fingerprint !== 'string')
      throw new DamagedRecord('is not of the expected form');
    const counts = since === '' || isSince(begunAt, since);
    return fingerprint === place.fingerprint && counts ? { seconds, begunAt } : undefined;
  } catch (error) {
    if (!(error instanceof DamagedRecord)) throw error;
    if (since !== '') throw sessionDamaged(place, error);
    tellDamaged(place.session, error, 'the time spent so far is not known and counts as none');
    return undefined;
  }
}

const sessionDamaged = ({ session, partial }: OutputPlace, cause: DamagedRecord): UserError =>
  new UserError({
    code: 'session-damaged',
    message: `${session} ${cause.message}: it should say since when the output has been in the making, and so whether --force has already begun it anew.`,
    remedy: `Run without --force to continue what is in ${partial}; or remove both, then force.`,
    cause,
  });

/** Keeps why the making of an output failed, each failure in other words. Never throws: that is being told already. */
export async function keepFailure({ failure }: OutputPlace, facts: object): Promise<void> {
  await replaceFile(failure, sealJson({ ...facts, id: randomUUID() })).catch(() => undefined);
}

/** Reads what `keepFailure` kept last, as text; undefined where the output has been made since. A damaged one is empty. */
export function readFailure({ failure }: OutputPlace): Promise<string | undefined> {
  return readRecord(failure).catch((error: unknown) => {
    if (error instanceof DamagedRecord) return '';
    throw error;
  });
}

/** Counts the time spent on one output over all sessions, surviving the death of the process with a loss of seconds. */
export class Session {
  private readonly place: OutputPlace;
  private readonly earlier: number;
  private readonly begunAt: string;
  private readonly startedMs = performance.now();
  private readonly timer: NodeJS.Timeout;

  private constructor(place: OutputPlace, earlier: Pick<SessionRecord, 'seconds' | 'begunAt'> | undefined) {
    this.place = place;
    this.earlier = earlier?.seconds ?? 0;
    this.begunAt = earlier?.begunAt ?? new Date().toISOString();
    this.timer = setInterval(() => {
      this.save().catch(() => undefined);
    }, saveEveryMilliseconds).unref();
  }

  static async start(place: OutputPlace): Promise<Session> {
    const session = new Session(place, await interruptedSession(place));
    await session.save();
    return session;
  }

  /** Time spent in this session. */
  get seconds(): number {
    return (performance.now() - this.startedMs) / 1000;
  }

  /** Time spent over all sessions. */
  get totalSeconds(): number {
    return this.earlier + this.seconds;
  }

  /** Ends the session of an output that is not finished. Never throws: something else has already gone wrong. */
  async suspend(): Promise<void> {
    clearInterval(this.timer);
    await this.save().catch(() => undefined);
  }

  /** Ends the last session, of a finished output. */
  async finish(): Promise<void> {
    clearInterval(this.timer);
    await rm(this.place.session, { force: true });
    await rm(this.place.failure, { force: true });
  }

  private async save(): Promise<void> {
    const record: SessionRecord = {
      fingerprint: this.place.fingerprint,
      seconds: this.totalSeconds,
      begunAt: this.begunAt,
    };
    await replaceFile(this.place.session, sealJson(record));
  }
}

/** One use of an output by a stage of a pipeline. */
interface Use {
  readonly stage: string;
  readonly kind: string;
  readonly fingerprint: string;
  /** Absent in lines that were written before contents were told apart from fingerprints. */
  readonly content?: string;
  /** Fingerprint of the output in whose place someone accepted this one. */
  readonly accepted?: string;
}

/** Outputs that the stages of one pipeline had, oldest first: `plan` compares a new fingerprint with them. */
export class History {
  private constructor(
    private readonly path: string,
    private readonly uses: Use[],
    /** A line break where the last line of the file has none. */
    private gap: string,
  ) {}

  static async open(runsRoot: string, pipelineName: string): Promise<History> {
    const path = join(runsRoot, pipelineName, 'history.jsonl');
    const text = await readUses(path);
    return new History(path, usesIn(path, text), text === '' || text.endsWith('\n') ? '' : '\n');
  }

  /** Fingerprints that the stage had while it was of this kind: each once, the latest first. */
  fingerprints(stage: string, kind: string): readonly string[] {
    const uses = this.uses.filter((use) => use.stage === stage && use.kind === kind);
    return [...new Set(uses.map(({ fingerprint }) => fingerprint).reverse())];
  }

  /** Content of the output that the stage had last: of this fingerprint, where it had one. */
  content(stage: string, kind: string, fingerprint: string): string | undefined {
    const uses = this.uses.filter(
      (use) => use.stage === stage && use.kind === kind && use.content !== undefined,
    );
    return (uses.findLast((use) => use.fingerprint === fingerprint) ?? uses.at(-1))?.content;
  }

  /** Notes that the stage now has this output. Safe while other runs do the same. */
  async add(use: Use): Promise<void> {
    const last = this.uses.findLast(({ stage, kind }) => stage === use.stage && kind === use.kind);
    if (
      last?.fingerprint === use.fingerprint &&
      last.content === use.content &&
      last.accepted === use.accepted
    )
      return;
    this.uses.push(use);
    try {
      await mkdir(dirname(this.path), { recursive: true });
      await appendPlain(this.path, `${this.gap}${sealLine(use)}\n`);
      this.gap = '';
    } catch (error) {
      throw asUserError(error, this.path);
    }
  }
}

const withoutHistory = 'what stages had before is known without it, which changes reasons, not results';

/** Text of a history: empty where there is none, or something else in its place, which is told of. */
async function readUses(path: string): Promise<string> {
  try {
    const text = await readRecord(path);
    if (text === '') throw new DamagedRecord('is empty');
    return text ?? '';
  } catch (error) {
    if (!(error instanceof DamagedRecord)) throw error;
    tellDamaged(path, error, withoutHistory);
    return '';
  }
}

/** Every use in a history that can be read; what else is there is told of. */
function usesIn(path: string, text: string): Use[] {
  return text.split('\n').flatMap((line, i): Use[] => {
    if (line === '') return [];
    try {
      const use = unsealAnyLine(line) as Partial<Use> | null;
      const isUse = [use?.stage, use?.kind, use?.fingerprint].every((part) => typeof part === 'string');
      if (isUse) return [use as Use];
      throw new DamagedRecord('is not of the expected form');
    } catch (error) {
      tellDamaged(path, `line ${i + 1} ${(error as Error).message}`, withoutHistory);
      return [];
    }
  });
}
