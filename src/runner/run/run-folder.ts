import { randomUUID } from 'node:crypto';
import { mkdir, readlink, rename, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative } from 'node:path';
import { stringify } from 'yaml';
import { UserError } from '../../base/errors.js';
import { asUserError, pathOf, systemReason } from '../../base/files.js';
import type { Origin, Pipeline } from '../pipeline.js';
import { resolvedConfig } from '../resolved.js';
import type { Json, KeptProgress } from '../stage.js';
import type { Failure } from './events.js';

/** The folder of one run: `NAME/TIME` under the folder of runs. */
export interface RunFolder {
  /** Absolute path. */
  readonly directory: string;
  readonly startedAt: string;
}

/** Names, in a run's folder, of its configuration with defaults and of the place of each value in it that was written. */
export const resolvedName = 'resolved.yaml';
export const originsName = 'origins.json';

/**
 * Makes the folder of a new run, with the resolved configuration and where its values were written in it, and points `NAME/latest` at it.
 *
 * @throws UserError where the folder of runs cannot be written to.
 */
export async function createRunFolder(
  runsRoot: string,
  pipeline: Pipeline,
  sources: ReadonlyMap<string, Origin> = new Map(),
  now = new Date(),
): Promise<RunFolder> {
  const startedAt = now.toISOString();
  const parent = join(runsRoot, pipeline.name);
  try {
    await mkdir(parent, { recursive: true });
    const directory = await makeNewFolder(join(parent, startedAt.replaceAll(':', '-')));
    await writeFile(join(directory, resolvedName), resolvedYaml(pipeline));
    await writeFile(join(directory, originsName), originsJson(pipeline, sources));
    await pointTo(join(parent, 'latest'), directory);
    return { directory, startedAt };
  } catch (error) {
    throw notWritable(error, runsRoot);
  }
}

/**
 * Puts a link in its place in one step, whatever was there and whoever else does. Links are relative, so that the folder
 * of runs can move.
 */
export async function pointTo(link: string, target: string): Promise<void> {
  const to = relative(dirname(link), target);
  if ((await readlink(link).catch(() => undefined)) === to) return;
  const aside = join(dirname(link), `.${basename(link)}.${randomUUID()}.tmp`);
  await symlink(to, aside);
  await rename(aside, link);
}

async function makeNewFolder(path: string): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    const candidate = attempt === 1 ? path : `${path}-${attempt}`;
    try {
      await mkdir(candidate);
      return candidate;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

function resolvedYaml(pipeline: Pipeline): string {
  const resolved = Object.entries(resolvedConfig(pipeline)).filter(([key]) => key !== 'sweep');
  return stringify(Object.fromEntries(resolved));
}

/** Places by dotted path, files relative to the pipeline's folder so that a shared run does not tell of a machine. */
function originsJson({ directory }: Pipeline, sources: ReadonlyMap<string, Origin>): string {
  const places = Array.from(sources, ([key, { file, line, column }]) => [
    key,
    { file: isAbsolute(file) ? relative(directory, file) : file, line, column },
  ]);
  return `${JSON.stringify(Object.fromEntries(places), undefined, 1)}\n`;
}

function notWritable(error: unknown, runsRoot: string): unknown {
  const { code, path } = systemReason(error) as NodeJS.ErrnoException;
  if (code === 'ENOTDIR')
    return new UserError({
      code: 'runs-folder-not-a-folder',
      message: `${path ?? runsRoot}: a folder was expected, for runs; a file is in its place.`,
      remedy: 'Move that file away, or choose another folder with --runs DIR.',
      cause: error,
    });
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')
    return new UserError({
      code: 'runs-folder-read-only',
      message: `${runsRoot}: the folder of runs cannot be written to.`,
      remedy: 'Make it writable for this user, or choose another folder with --runs DIR.',
      cause: error,
    });
  return asUserError(error, pathOf(error) ?? runsRoot);
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
  /** By id, in the order in which they run. */
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
  /** Why it ran or is to run, in words; empty where it is cached. */
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
  /** Progress when the run last changed; a running stage's events are newer. */
  readonly progress?: KeptProgress;
  readonly failure?: Failure;
}
