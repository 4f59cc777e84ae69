import { spawn } from 'node:child_process';
import { constants, openSync, writeSync } from 'node:fs';
import { ReadStream } from 'node:tty';
import { nativeInterface } from '../../src/base/native-interface.js';

/** Why no program can be started on a pseudo-terminal of its own here; undefined where it can. */
export function whyNoTerminal(): string | undefined {
  return process.platform === 'linux' ? undefined : 'pseudo-terminals are opened in the way of Linux';
}

/** How a program ended. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A shell on a terminal of its own, as a person has one who logs in: what it runs is in the terminal's foreground. */
export class PseudoTerminal {
  /** All that was printed so far. */
  text = '';
  readonly ended: Promise<Ended>;
  readonly pid: number;
  private readonly master: ReadStream;
  private readonly descriptor: number;

  /** @param script for the shell; `exec PROGRAM` leaves only the program */
  constructor(script: string, options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv }) {
    const libc = nativeInterface().load(null);
    const master = openSync('/dev/ptmx', constants.O_RDWR | constants.O_NOCTTY);
    libc.func('int grantpt(int)')(master);
    libc.func('int unlockpt(int)')(master);
    const name = libc.func('const char *ptsname(int)')(master) as string;
    this.descriptor = master;
    this.master = new ReadStream(master);
    this.master.setEncoding('utf8').on('data', (text: string) => (this.text += text));
    // Reading fails once no process has the terminal open any more.
    this.master.on('error', () => undefined);
    // A session of its own takes the first terminal that it opens for its own.
    const shell = spawn('/bin/sh', ['-c', `exec <"$0" >"$0" 2>&1; stty cols 100 rows 30; ${script}`, name], {
      ...options,
      detached: true,
      stdio: 'ignore',
    });
    this.pid = shell.pid!;
    this.ended = new Promise((resolve) => {
      shell.once('exit', (code, signal) => {
        resolve({ code, signal });
      });
    });
  }

  /** Types on its keyboard: `\u0003` is Ctrl-C. */
  type(text: string): void {
    writeSync(this.descriptor, text);
  }

  /** Closes it, as when a connection breaks: the system sends SIGHUP, and printing fails from then on. */
  close(): void {
    this.master.destroy();
  }
}
