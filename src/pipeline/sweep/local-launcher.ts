import { execa } from 'execa';
import { commandLine, parseEvent, type Launcher, type TrialCommand } from './launcher.js';

/**
 * Runs trials as processes of this machine. Each is a process group of its own, so that Ctrl-C reaches it through its
 * sweep only, and interrupts itself when the sweep dies: the channel between the two closes.
 */
export function localLauncher(command: TrialCommand): Launcher {
  return async ({ trial, log, signal, kill, tell }) => {
    const [program, ...args] = commandLine(command, trial);
    const child = execa(program!, args, {
      detached: true,
      reject: false,
      buffer: false,
      ipc: true,
      stdin: 'ignore',
      stderr: { file: log, append: true },
    });
    const interrupt = (): void => void child.kill('SIGINT');
    const end = (): void => void child.kill('SIGKILL');
    signal.addEventListener('abort', interrupt);
    kill.addEventListener('abort', end);
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
    }
  };
}
