import { mkdir } from 'node:fs/promises';
import { lastValueFrom, tap } from 'rxjs';
import { isSince } from '../../base/clock.js';
import { UserError } from '../../base/errors.js';
import { asUserError, pathOf, systemReason } from '../../base/files.js';
import { DamagedRecord, unsealJson } from '../../base/sealed.js';
import { environment } from '../environment.js';
import type { PlannedStage } from '../plan/plan.js';
import type { Reason } from '../plan/reasons.js';
import { headlineOf, lastFigures } from '../runs/figures.js';
import type { Json, StageExecutor, StageWork } from '../stage.js';
import { findOutput } from '../store/find-output.js';
import { saveListing } from '../store/listings.js';
import { hashesFolder, listingsFolder, type Manifest, type OutputPlace } from '../store/manifest.js';
import { lockOutput } from '../store/output-lock.js';
import { beginOutput, moveDamagedAside, sealOutput } from '../store/seal.js';
import { interruptedSession, keepFailure, readFailure, Session } from '../store/session.js';
import type { Failure, RunEvent, StageResult } from './events.js';

interface StageRunOptions {
  readonly runsRoot: string;
  readonly planned: PlannedStage;
  readonly work: StageWork;
  readonly execute: StageExecutor;
  /** ISO 8601: what was made, or begun, since then is not forced to be made again. */
  readonly forcedSince: string;
  readonly log: string;
  readonly emit: (event: RunEvent) => void;
}

/**
 * Brings about one stage's output: takes the cached one, or waits for the process that is making it, or runs the stage.
 * Says all of it through `emit`, but for failures, which it throws.
 */
export async function runStage(options: StageRunOptions): Promise<Manifest> {
  const { planned, emit, runsRoot } = options;
  const { context } = options.work;
  const { place, stage } = planned;
  const forced = planned.reasons.some(({ type }) => type === 'forced');
  if (planned.output !== undefined && !forced) {
    const { gone, accepted, forcedAt } = planned;
    emit({
      type: 'stage-cached',
      ...(await stageResult(planned, planned.output)),
      ...(gone.length > 0 && { gone }),
      ...(accepted && { accepted }),
      ...(forcedAt !== undefined && { forcedAt }),
    });
    return planned.output;
  }
  await mkdir(place.folder, { recursive: true }).catch((error: unknown) => {
    throw asUserError(error, place.folder);
  });
  const failedBefore = await readFailure(place);
  const wait = { happened: false };
  const lock = await lockOutput(place.lock, {
    signal: context.signal,
    onWait: (holder) => {
      wait.happened = true;
      emit({ type: 'stage-waiting', stage: stage.id, ...(holder && { holder }) });
    },
  });
  try {
    // Another process may have finished the output since it was planned, or while this one waited.
    const found = await findOutput(place, hashesFolder(runsRoot), context.signal);
    const isNew = found.state === 'whole' && isSince(found.manifest.createdAt, options.forcedSince);
    if (!forced || wait.happened || isNew) {
      if (found.state === 'whole') {
        emit({ type: 'stage-cached', ...(await stageResult(planned, found.manifest)) });
        return found.manifest;
      }
      if (found.state === 'damaged') {
        const movedTo = await moveDamagedAside(place);
        const { problem } = found;
        emit({ type: 'output-damaged', stage: stage.id, output: place.directory, problem, movedTo });
      }
    }
    if (wait.happened) {
      const failed = await readFailure(place);
      if (failed !== undefined && failed !== failedBefore) throw failedElsewhere(failed, place);
    }
    const continues = (await interruptedSession(place, forced ? options.forcedSince : '')) !== undefined;
    return await makeOutput(options, forced && !continues);
  } catch (error) {
    if (!context.signal.aborted) await keepFailure(place, describeFailure(error, runsRoot));
    throw error;
  } finally {
    lock.release();
  }
}

/** Code of the failure of a run that waited for another one's output, which failed. */
export const failedElsewhereCode = 'failed-elsewhere';

function failedElsewhere(text: string, { failure }: OutputPlace): UserError {
  let why: Partial<Failure>;
  try {
    why = unsealJson(text);
    if (typeof why.message !== 'string') throw new DamagedRecord('is not of the expected form');
  } catch (error) {
    why = { message: `why cannot be read, as ${failure} ${(error as DamagedRecord).message}.` };
  }
  return new UserError({
    code: failedElsewhereCode,
    message: `Another run that was making the same output failed while this one waited: ${why.message}`,
    remedy: why.remedy ?? 'Its log says more.',
  });
}

async function makeOutput(options: StageRunOptions, fresh: boolean): Promise<Manifest> {
  const { planned, work, execute, emit, runsRoot, log } = options;
  const { place, stage, kind, origin } = planned;
  for (const content of planned.contents) await saveListing(listingsFolder(runsRoot), content);
  const { resumed, completed } = await beginOutput(place, hashesFolder(runsRoot), { fresh });
  if (completed !== undefined) {
    emit({ type: 'stage-cached', ...(await stageResult(planned, completed)) });
    return completed;
  }
  const reasons: readonly Reason[] = planned.reasons;
  const { id } = stage;
  emit({
    type: 'stage-started',
    stage: id,
    kind: stage.kind,
    fingerprint: place.fingerprint,
    reasons,
    resumed,
    ...(work.context.devices && { devices: work.context.devices }),
    log,
  });
  const session = await Session.start(place);
  try {
    const summary: Record<string, Json> = {};
    const measured: string[] = [];
    let figures: Readonly<Record<string, number>> | undefined;
    await lastValueFrom(
      execute(work).pipe(
        tap((event) => {
          if (event.type === 'progress') figures = event.figures ?? figures;
          if (event.type === 'summary') {
            Object.assign(summary, event.values);
            if (event.measured) measured.push(...Object.keys(event.values));
          }
          emit({ type: 'stage-event', stage: id, event });
        }),
      ),
      { defaultValue: undefined },
    );
    const { seconds, totalSeconds } = session;
    const manifest = await sealOutput(place, {
      origin,
      summary,
      figures,
      measured,
      madeWith: environment(work.context.runtime),
      seconds: totalSeconds,
      hashes: hashesFolder(runsRoot),
      ...(kind.isIncidental && { isIncidental: kind.isIncidental.bind(kind) }),
      ...(kind.passesOn && { passesOn: kind.passesOn.bind(kind) }),
      contents: planned.contents,
    });
    await session.finish();
    const bytes = manifest.files.reduce((sum, file) => sum + file.bytes, 0);
    emit({ type: 'stage-finished', seconds, bytes, ...(await stageResult(planned, manifest)) });
    return manifest;
  } catch (error) {
    await session.suspend();
    throw error;
  }
}

async function stageResult({ stage, kind, place }: PlannedStage, manifest: Manifest): Promise<StageResult> {
  const figures = await lastFigures(manifest, place.directory);
  const headline = headlineOf(kind, { summary: manifest.summary, figures });
  return {
    stage: stage.id,
    kind: stage.kind,
    fingerprint: manifest.fingerprint,
    output: place.directory,
    summary: manifest.summary,
    figures,
    ...(headline && { headline }),
    ...(kind.amounts && { amounts: kind.amounts }),
    totalSeconds: manifest.seconds,
  };
}

/** Describes a failure for a person: errors of files and disks are theirs to mend, however deep they were met. */
export function describeFailure(error: unknown, runsRoot: string): Failure {
  const known = asStorageError(error, runsRoot);
  if (known instanceof UserError)
    return {
      code: known.code,
      message: known.message,
      ...(known.remedy !== undefined && { remedy: known.remedy }),
    };
  if (error instanceof Error)
    return { message: error.message, stack: error.stack ?? `${error.name}: ${error.message}` };
  return { message: String(error), stack: String(error) };
}

/** A `UserError` where files or disks are what failed; otherwise the error as it is. */
export function asStorageError(error: unknown, runsRoot: string): unknown {
  const reason = systemReason(error instanceof UserError ? error.cause : error);
  const { code } = (reason ?? {}) as NodeJS.ErrnoException;
  const path = pathOf(reason);
  if ((code === 'ENOENT' || code === 'ENOTDIR') && path?.startsWith(runsRoot) === true)
    return new UserError({
      code: 'run-folder-gone',
      message: `${path}: it was removed or moved while it was in use.`,
      remedy: 'Leave the folder of runs alone while something runs; then run again.',
      cause: error,
    });
  return asUserError(error, path ?? runsRoot);
}
