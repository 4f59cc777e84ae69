import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { UserError } from '../base/errors.js';
import { abortError } from '../base/streams.js';
import type { RuntimeConfig } from '../runner/stage.js';
import { type Cluster, hostAndPort } from './cluster.js';
import { type FromFollower, groupName, MessageLines, type ToFollower, toFollower } from './control.js';
import { afterAwake } from './lifeline.js';
import { isOwn } from './own-socket.js';
import type { Worker } from './worker.js';

/** Time within which process 0 must appear. */
const arrivalMs = 600_000;
const retryEveryMs = 500;
const attemptMs = 20_000;

/**
 * Does what process 0 of the cluster asks for, until the run ends.
 *
 * @param start starts a worker on this machine; where it throws, process 0 learns why
 * @param signal aborts when this process is interrupted: process 0 then interrupts the run
 * @returns the run's exit code
 * @throws UserError `leader-lost` where the connection breaks off, `leader-missing` where there is none
 */
export async function followLeader(
  cluster: Cluster,
  start: (device: RuntimeConfig['device']) => Worker,
  signal: AbortSignal,
): Promise<number> {
  const socket = await reach(cluster, signal);
  let exitCode: number | undefined;
  const workers = new Map<number, Worker>();
  const lines = new MessageLines<FromFollower, ToFollower>(socket, toFollower, (message) => {
    switch (message.type) {
      case 'start': {
        const { attempt, device } = message;
        let worker: Worker;
        try {
          worker = start(device);
        } catch (error) {
          const end = { how: `could not be started: ${(error as Error).message}`, lastWords: '' };
          lines.send({ type: 'ended', attempt, end });
          break;
        }
        workers.set(attempt, worker);
        worker.messages.subscribe((told) => {
          lines.send({ type: 'told', attempt, message: told });
        });
        void worker.ended.then((end) => {
          workers.delete(attempt);
          lines.send({ type: 'ended', attempt, end });
        });
        break;
      }
      case 'tell':
        workers.get(message.attempt)?.send(message.message);
        break;
      case 'kill':
        workers.get(message.attempt)?.kill();
        break;
      case 'end':
        exitCode = message.exitCode;
        break;
    }
  });
  lines.send({ type: 'hello', rank: cluster.rank, group: groupName(cluster) });
  const interrupt = (): void => {
    lines.send({ type: 'interrupt' });
  };
  if (signal.aborted) interrupt();
  else signal.addEventListener('abort', interrupt, { once: true });
  await lines.closed;
  signal.removeEventListener('abort', interrupt);
  for (const worker of workers.values()) worker.kill();
  if (exitCode !== undefined) return exitCode;
  throw new UserError({
    code: 'leader-lost',
    message: `The connection to process 0 at ${cluster.control} broke off; this process has stopped.`,
    remedy: 'Its log tells why. Run again: finished stages are kept, and training continues.',
  });
}

async function reach(cluster: Cluster, signal: AbortSignal): Promise<Socket> {
  const { host, port } = hostAndPort(cluster.control);
  const arrival = { isLate: false };
  const stopWaiting = afterAwake(arrivalMs, () => {
    arrival.isLate = true;
  });
  for (;;) {
    if (signal.aborted) {
      stopWaiting();
      throw abortError(signal);
    }
    const socket = connect({ host, port });
    // Whatever comes of it, it is waited for no longer.
    socket.on('error', () => undefined);
    try {
      await once(socket, 'connect', { signal: AbortSignal.any([signal, AbortSignal.timeout(attemptMs)]) });
      if (isOwn(socket, 'listener')) {
        stopWaiting();
        return socket;
      }
      throw Object.assign(new Error('Another user listens there.'), { code: 'another user listens there' });
    } catch (error) {
      socket.destroy();
      if (arrival.isLate)
        throw new UserError({
          code: 'leader-missing',
          message: `Process 0 does not answer at ${cluster.control} (${(error as NodeJS.ErrnoException).code ?? String(error)}).`,
          remedy: 'Look into its log, and whether its machine can be reached from this one.',
          cause: error,
        });
      await sleep(retryEveryMs, undefined, { signal }).catch(() => undefined);
    }
  }
}
