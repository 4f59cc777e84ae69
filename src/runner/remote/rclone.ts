import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { UserError } from '../../base/errors.js';
import type { FileLock } from '../../base/file-lock.js';
import { abortError } from '../../base/streams.js';

export interface RcloneCall {
  /** Text for its standard input. */
  readonly input?: string;
  /** Descriptor of an open file that takes its standard output. */
  readonly output?: number;
  /** Lock that stays taken until the program has ended, even where this process dies before. */
  readonly lock?: FileLock;
  readonly onBytes?: ((bytes: number) => void) | undefined;
  /** Exit codes, beside 0, that are no failure. */
  readonly allowed?: readonly number[];
}

/** Exit code for a folder that is not there. */
export const noSuchFolder = 3;
/** Exit code for a file that is not there. */
export const noSuchFile = 4;

/**
 * The program `rclone`, which reaches clouds, servers and folders. It learns the remote's address from its environment,
 * as an alias: no list of processes shows the address.
 */
export class Rclone {
  /** The remote as messages show it: without options, which may hold secrets. */
  readonly shown: string;
  private readonly env: NodeJS.ProcessEnv;

  constructor(
    private readonly remote: string,
    env: NodeJS.ProcessEnv,
    private readonly signal: AbortSignal,
  ) {
    this.shown = withoutOptions(remote);
    this.env = {
      ...env,
      [`RCLONE_CONFIG_${alias.toUpperCase()}_TYPE`]: 'alias',
      [`RCLONE_CONFIG_${alias.toUpperCase()}_REMOTE`]: remote,
      // What is there of a file after an interruption is continued; where several streams write one, that cannot be told.
      RCLONE_INPLACE: 'true',
      RCLONE_MULTI_THREAD_STREAMS: '0',
    };
  }

  /** Name of a path on the remote, as an argument. */
  at(path: string): string {
    return `${alias}:${path}`;
  }

  /**
   * Runs a command to its end. Gives its standard output.
   *
   * @throws UserError `rclone-missing`, `remote-unknown`, `remote-full` or `remote-failed`; the signal's reason where it
   *   aborts
   */
  async run(args: readonly string[], call: RcloneCall = {}): Promise<{ output: string; exitCode: number }> {
    this.signal.throwIfAborted();
    const job = spawn('rclone', [...args, ...always], {
      env: this.env,
      stdio: ['pipe', call.output ?? 'pipe', 'pipe', ...(call.lock ? [call.lock.descriptor] : [])],
    });
    const ended = once(job, 'close') as Promise<[exitCode: number | null]>;
    const stop = (): void => void job.kill();
    this.signal.addEventListener('abort', stop);
    try {
      // A program that has ended reads no more.
      job.stdin!.on('error', () => undefined).end(call.input ?? '');
      const [output, said, [exitCode]] = await Promise.all([
        job.stdout === null ? '' : text(job.stdout),
        readLog(job.stderr!, call.onBytes),
        ended,
      ]);
      if (this.signal.aborted) throw abortError(this.signal);
      if (exitCode === 0 || call.allowed?.includes(exitCode ?? -1) === true)
        return { output, exitCode: exitCode ?? -1 };
      throw this.failure(
        said ?? `rclone ended ${exitCode === null ? 'by a signal' : `with code ${exitCode}`}`,
      );
    } catch (error) {
      throw (error as NodeJS.ErrnoException).code === 'ENOENT' ? missing() : error;
    } finally {
      this.signal.removeEventListener('abort', stop);
    }
  }

  private failure(said: string): UserError {
    const reason = said
      .replace(/^Failed to .*last error was: /s, '')
      .replace(/^Failed to create file system for "[^"]*": /, '')
      .replaceAll(this.remote, this.shown);
    const facts = (code: string, remedy: string): UserError =>
      new UserError({ code, message: `${this.shown}: ${reason.trim().replace(/\.$/, '')}.`, remedy });
    if (reason.includes("didn't find section in config file"))
      return new UserError({
        code: 'remote-unknown',
        usage: true,
        message: `${this.shown}: rclone knows no remote of this name.`,
        remedy: 'rclone listremotes shows those that it knows, rclone config makes one.',
      });
    if (/no space left|too big for remaining|insufficient storage|quota|disk full/i.test(reason))
      return facts(
        'remote-full',
        'Free some space there, then repeat the command: what has arrived is kept.',
      );
    return facts(
      'remote-failed',
      'Check the address with rclone lsf, then repeat the command: what has arrived is kept.',
    );
  }
}

/** Name by which rclone knows the remote of this process. */
const alias = 'pipelineremote';

/** Progress comes as lines of JSON, often enough that an orphan soon writes to a closed pipe, which ends it. */
const always = [
  '--use-json-log',
  '--stats=500ms',
  '--stats-log-level=NOTICE',
  '--contimeout=30s',
  '--ask-password=false',
];

/** Reads the log to its end: tells progress, and gives the last error. */
async function readLog(log: Readable, onBytes: RcloneCall['onBytes']): Promise<string | undefined> {
  let said: string | undefined;
  for await (const line of createInterface({ input: log, crlfDelay: Infinity }))
    said = readLine(line, onBytes) ?? said;
  return said;
}

/** Reads a line of the log: tells progress, and gives what an error says. */
function readLine(line: string, onBytes: ((bytes: number) => void) | undefined): string | undefined {
  const fatal = /^\d{4}\/\d\d\/\d\d [\d:]+ (.*)$/.exec(line);
  if (fatal) return fatal[1];
  try {
    const { level, msg, stats } = JSON.parse(line) as {
      readonly level?: string;
      readonly msg?: string;
      readonly stats?: { readonly bytes?: number };
    };
    if (stats?.bytes !== undefined) onBytes?.(stats.bytes);
    return level === 'error' || level === 'critical' ? msg : undefined;
  } catch {
    return line === '' ? undefined : line;
  }
}

function missing(): UserError {
  return new UserError({
    code: 'rclone-missing',
    message: 'rclone was not found; it moves outputs between machines, clouds and folders.',
    remedy: 'Install it: apt install rclone, brew install rclone, or https://rclone.org/install.',
  });
}

/** The address of a remote without options and passwords: `:s3,secret_access_key=…:bucket` is `:s3:bucket`. */
function withoutOptions(remote: string): string {
  return remote.replace(/^(:?[^,:/]*),.*:(?=[^:]*$)/s, '$1:').replaceAll(/\/\/[^/@\s]*@/g, '//');
}

/** @throws UserError `secret-in-arguments` where an address on the command line holds a secret. */
export function refuseSecrets(remote: string): void {
  const [option] =
    /(?<=,)\w*(pass|secret|token|key|credential|auth|sas_url)\w*(?==)/i.exec(remote) ??
    /\/\/[^/@\s:]+:[^/@\s]+@/.exec(remote) ??
    [];
  if (option === undefined || /^(key_file|env_auth|key_use_agent|use_insecure_cipher)$/.test(option)) return;
  throw new UserError({
    code: 'secret-in-arguments',
    usage: true,
    message: `${withoutOptions(remote)}: a secret in an argument (${option.startsWith('//') ? 'the password of the address' : option}) is seen in lists of processes and the history of the shell.`,
    remedy:
      'Keep it in the configuration (rclone config) or the environment (RCLONE_CONFIG_NAME_TYPE, RCLONE_CONFIG_NAME_…), and say NAME:path.',
  });
}
