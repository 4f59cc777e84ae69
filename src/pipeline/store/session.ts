import { randomUUID } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { replaceFile } from './replace-file.js';
import type { OutputPlace } from './layout.js';

/** What is kept about an output while it is being made. */
interface SessionRecord {
  readonly fingerprint: string;
  /** Time spent on the output so far. */
  readonly seconds: number;
  /** ISO 8601: when work on it began, from nothing. */
  readonly begunAt: string;
}

const saveEveryMilliseconds = 10_000;

/**
 * What interrupted sessions left of an output; nothing where there was none.
 *
 * @param since ISO 8601: what was begun before does not count
 */
export async function interruptedSession(
  place: OutputPlace,
  since = '',
): Promise<Pick<SessionRecord, 'seconds' | 'begunAt'> | undefined> {
  try {
    // Earlier versions did not say when.
    const record = JSON.parse(await readFile(place.session, 'utf8')) as Omit<SessionRecord, 'begunAt'> &
      Partial<SessionRecord>;
    const { seconds, begunAt = '' } = record;
    const isOurs = record.fingerprint === place.fingerprint && begunAt >= since;
    return isOurs && Number.isFinite(seconds) ? { seconds, begunAt } : undefined;
  } catch {
    return undefined;
  }
}

/** Keeps why the making of an output failed, each failure in other words. Never throws: that is being told already. */
export async function keepFailure({ failure }: OutputPlace, facts: object): Promise<void> {
  await replaceFile(failure, `${JSON.stringify({ ...facts, id: randomUUID() })}\n`).catch(() => undefined);
}

/** What `keepFailure` kept last, as text; nothing where the output has been made since. */
export function readFailure({ failure }: OutputPlace): Promise<string | undefined> {
  return readFile(failure, 'utf8').catch(() => undefined);
}

/** Counts the time spent on one output over all sessions, surviving the death of the process with a loss of seconds. */
export class Session {
  readonly #place: OutputPlace;
  readonly #earlier: number;
  readonly #begunAt: string;
  readonly #start = performance.now();
  readonly #timer: NodeJS.Timeout;

  private constructor(place: OutputPlace, earlier: Pick<SessionRecord, 'seconds' | 'begunAt'> | undefined) {
    this.#place = place;
    this.#earlier = earlier?.seconds ?? 0;
    this.#begunAt = earlier?.begunAt ?? new Date().toISOString();
    this.#timer = setInterval(() => {
      this.#save().catch(() => undefined);
    }, saveEveryMilliseconds).unref();
  }

  static async start(place: OutputPlace): Promise<Session> {
    const session = new Session(place, await interruptedSession(place));
    await session.#save();
    return session;
  }

  /** Time spent in this session. */
  get seconds(): number {
    return (performance.now() - this.#start) / 1000;
  }

  /** Time spent over all sessions. */
  get totalSeconds(): number {
    return this.#earlier + this.seconds;
  }

  /** Ends the session of an output that is not finished. Never throws: something else has already gone wrong. */
  async suspend(): Promise<void> {
    clearInterval(this.#timer);
    await this.#save().catch(() => undefined);
  }

  /** Ends the last session, of a finished output. */
  async finish(): Promise<void> {
    clearInterval(this.#timer);
    await rm(this.#place.session, { force: true });
    await rm(this.#place.failure, { force: true });
  }

  async #save(): Promise<void> {
    const record: SessionRecord = {
      fingerprint: this.#place.fingerprint,
      seconds: this.totalSeconds,
      begunAt: this.#begunAt,
    };
    await replaceFile(this.#place.session, `${JSON.stringify(record)}\n`);
  }
}
