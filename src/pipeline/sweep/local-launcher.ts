import { open } from 'node:fs/promises';
import { execa } from 'execa';
import { asUserError } from '../../files/file-errors.js';
import { commandLine, parseEvent, type Launcher, type TrialCommand } from './launcher.js';

/**
 * Runs trials as processes of this machine. Each is a process group of its own, so that Ctrl-C reaches it through its
 * sweep only, and interrupts itself when the sweep dies: the channel between the two closes.
 */
export function localLauncher(command: TrialCommand): Launcher {
  return async ({ trial, log, env = {}, signal, kill, tell }) => {
    const [program, ...args] = commandLine(command, trial);
    // The trial's own, not passed on by its sweep: it outlives the sweep's death and a full disk.
    const words = await open(log, 'a').catch((error: unknown) => {
      throw asUserError(error, log);
    });
    const child = execa(program!, args, {
      detached: true,
      env,
      reject: false,
      buffer: false,
      ipc: true,
      stdin: 'ignore',
      // Any descriptor will do; the types list those of one digit.
      stderr: words.fd as 3,
    });
    const interrupt = (): void => void child.kill('SIGINT');
    const end = (): void => void child.kill('SIGKILL');
    signal.addEventListener('abort', interrupt);
    kill.addEventListener('abort', end);
    if (signal.aborted) interrupt();
    try {
      for await (const line of child.iterable()) {
        const event = parseEvent(line);
        if (event) tell(event);
      }
      const { exitCode, signal: by, originalMessage } = await child;
      const because = by === undefined ? originalMessage : `was killed by ${by}`;
      return { code: exitCode, ...(exitCode === undefined && because !== undefined && { because }) };
    } finally {
      signal.removeEventListener('abort', interrupt);
      kill.removeEventListener('abort', end);
      await words.close();
    }
  };
}
