import { type FileHandle, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { UserError } from '../../base/errors.js';
import { openFile, writePlain } from '../../base/files.js';
import { commandLine, type Exit, type Launcher, parseEvent, type TrialCommand } from './launcher.js';

export interface SlurmOptions {
  /** Options of `sbatch`, as they are typed: `--gres=gpu:1`. They go over ours. */
  readonly sbatch: readonly string[];
  /** Folder for the batch scripts and for what the jobs print; every node must see it. */
  readonly directory: string;
}

const pollMilliseconds = 500;

/**
 * Submits trials as Slurm jobs, one each, with `sbatch --wait`, and follows the events that a job writes to a file. A job
 * is interrupted cleanly (SIGINT) by its sweep, and by Slurm two minutes before its time is up.
 */
export function slurmLauncher(command: TrialCommand, { sbatch, directory }: SlurmOptions): Launcher {
  return async ({ trial, log, signal, kill, tell, submitted }) => {
    const script = join(directory, `${trial.id}.sh`);
    const events = join(directory, `${trial.id}.events.jsonl`);
    await rm(events, { force: true });
    await writePlain(script, batchScript(commandLine(command, trial), events), 'w', 0o755);
    const job = execa(
      'sbatch',
      [
        ...['--parsable', '--wait', '--open-mode=append', '--signal=B:INT@120'],
        ...[`--job-name=${trial.pipeline.name}-${trial.id}`, `--output=${log}`, `--chdir=${process.cwd()}`],
        ...sbatch,
        script,
      ],
      { detached: true, reject: false, buffer: { stdout: false }, stdin: 'ignore' },
    );
    let id: string | undefined;
    const cancel = (force: boolean): void => {
      if (id !== undefined) void cancelJob(id, force);
    };
    const interrupt = (): void => {
      cancel(false);
    };
    const end = (): void => {
      cancel(true);
    };
    signal.addEventListener('abort', interrupt);
    kill.addEventListener('abort', end);
    const ended = new AbortController();
    const followed = follow(events, ended.signal, (line) => {
      const event = parseEvent(line);
      if (event) tell(event);
    });
    try {
      for await (const line of job.iterable()) {
        if (id !== undefined || !/^\d/.test(line)) continue;
        id = line.split(';')[0]!;
        submitted(id);
        if (signal.aborted) cancel(false);
      }
      return await exitOf(await job, id);
    } finally {
      ended.abort();
      await followed;
      signal.removeEventListener('abort', interrupt);
      kill.removeEventListener('abort', end);
    }
  };
}

/** End of `sbatch`. */
interface Submission {
  readonly exitCode?: number | undefined;
  readonly stderr?: unknown;
  readonly code?: string | undefined;
}

async function exitOf({ exitCode, stderr, code }: Submission, id: string | undefined): Promise<Exit> {
  if (code === 'ENOENT')
    throw new UserError({
      code: 'slurm-missing',
      message: 'sbatch was not found: Slurm is not installed here.',
      remedy: 'Run this on a login node of the cluster, or leave out --slurm.',
    });
  if (id === undefined)
    return {
      code: exitCode,
      because: `was refused by sbatch: ${String(stderr).trim().split('\n').at(-1) ?? ''}`,
    };
  if (exitCode === 0) return { code: 0 };
  const state = await jobState(id);
  return { code: exitCode, because: `ended as Slurm job ${id}${state === undefined ? '' : ` (${state})`}` };
}

/** The state of an ended job, where the cluster still knows it. */
async function jobState(id: string): Promise<string | undefined> {
  const { stdout } = await execa('scontrol', ['show', 'job', id], { reject: false });
  return /JobState=(\S+)/.exec(stdout)?.[1];
}

/** Interrupts a job that runs, and cancels one that is waiting. */
async function cancelJob(id: string, force: boolean): Promise<void> {
  const { stdout } = await execa('squeue', ['--noheader', `--jobs=${id}`, '--format=%T'], { reject: false });
  const runs = /RUNNING|COMPLETING/.test(stdout);
  await execa('scancel', [...(force || !runs ? [] : ['--signal=INT', '--batch']), id], { reject: false });
}

function batchScript(command: readonly string[], events: string): string {
  return `#!/bin/sh\nexec ${command.map(quoted).join(' ')} >> ${quoted(events)}\n`;
}

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** Tells the lines of a file that grows, until `ended` aborts and all of it has been told. */
async function follow(path: string, ended: AbortSignal, tell: (line: string) => void): Promise<void> {
  let file: FileHandle | undefined;
  let rest = '';
  const decoder = new TextDecoder();
  const buffer = Buffer.alloc(1 << 16);
  try {
    for (let last = false; ;) {
      file ??= await openFile(path).catch(() => undefined);
      for (;;) {
        const { bytesRead } = file ? await file.read(buffer) : { bytesRead: 0 };
        if (bytesRead === 0) break;
        const lines = (rest + decoder.decode(buffer.subarray(0, bytesRead), { stream: true })).split('\n');
        rest = lines.pop()!;
        lines.forEach(tell);
      }
      if (last) return;
      await sleep(pollMilliseconds, undefined, { signal: ended }).catch(() => undefined);
      last = ended.aborted;
    }
  } finally {
    await file?.close();
  }
}
