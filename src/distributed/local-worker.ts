import { execa } from 'execa';
import { Observable, share } from 'rxjs';
import { lifelineDescriptor } from './lifeline.js';
import { type FromWorker, type Worker, workerCommand, type WorkerEnd } from './worker.js';

/** Program that a worker runs: `node …options main worker`. */
export interface WorkerProgram {
  readonly executable: string;
  readonly args: readonly string[];
}

/** This very program: as it was built, or through the loader that this process was started with. */
export function ownCommand(): readonly [executable: string, ...args: string[]] {
  return [process.execPath, ...process.execArgv, process.argv[1]!];
}

/** The program that is running now, started as a worker. */
export function thisProgram(): WorkerProgram {
  const [executable, ...args] = ownCommand();
  return { executable, args: [...args, workerCommand] };
}

const lastLines = 12;

/**
 * Starts a worker on this machine. It ends with this process, however that ends, and leaves interruptions of the
 * terminal to it.
 *
 * @param env added to this process's environment
 */
export function startLocalWorker(
  { executable, args }: WorkerProgram,
  rank: number,
  env: Readonly<Record<string, string>>,
): Worker {
  const child = execa(executable, [...args], {
    env,
    ipc: true,
    reject: false,
    buffer: false,
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  });
  const tail: string[] = [];
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    tail.push(...text.split('\n').filter((line) => line.trim() !== ''));
    tail.splice(0, tail.length - lastLines);
  });
  const ended: Promise<WorkerEnd> = child.then((result) => ({
    how: howEnded(result.signal, result.exitCode),
    lastWords: tail.join('\n'),
  }));
  return {
    rank,
    ended,
    messages: new Observable<FromWorker>((subscriber) => {
      child.on('message', (message) => {
        subscriber.next(message as FromWorker);
      });
      child.stdio[lifelineDescriptor].on('data', () => {
        subscriber.next({ type: 'pulse' });
      });
      void ended.then(() => {
        subscriber.complete();
      });
    }).pipe(share()),
    send: (message) => {
      if (child.connected) child.send(message, () => undefined);
    },
    kill: () => {
      child.kill('SIGKILL');
    },
  };
}

function howEnded(signal: string | undefined, exitCode: number | undefined): string {
  if (signal === 'SIGKILL') return 'was killed by SIGKILL, as the system does where memory runs out';
  if (signal !== undefined) return `was ended by ${signal}`;
  return exitCode === undefined ? 'could not be started' : `ended with exit code ${exitCode}`;
}
