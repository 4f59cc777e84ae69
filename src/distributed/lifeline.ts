import { Worker as Thread } from 'node:worker_threads';
import { nativeInterface } from '../base/native-interface.js';
import { aliveEveryMs } from './worker.js';

/** The worker's end of its line to whoever started it, a file descriptor. */
export const lifelineDescriptor = 3;

/**
 * Program of a thread, which goes on whatever the others compute or wait for: tells that it runs, and ends with the
 * line.
 */
const program = `
  const { Socket } = require('node:net');
  const line = new Socket({ fd: ${lifelineDescriptor} });
  line.on('error', () => undefined).on('close', () => process.kill(process.pid, 'SIGKILL')).resume();
  const beat = () => line.write('.');
  setInterval(beat, ${aliveEveryMs});
  beat();
`;

/**
 * Ties this process to the one that started it: tells it at an interval that it runs, and ends when it ends, whatever
 * this one is doing then. Linux also ends it where it was stopped.
 */
export function holdLifeline(): void {
  try {
    const [deathSignal, kill] = [1, 9];
    const prctl = nativeInterface().load('libc.so.6').func('int prctl(int, unsigned long)');
    prctl(deathSignal, kill);
  } catch {
    // Other systems have no such call.
  }
  new Thread(program, { eval: true, execArgv: [] }).unref();
}

/**
 * Calls `over` after so many milliseconds in which this process ran: those in which it was stopped, as by Ctrl-Z or a
 * laptop's sleep, do not count.
 *
 * @returns what to call where that is not wanted any more
 */
export function afterAwake(milliseconds: number, over: () => void): () => void {
  const everyMs = Math.min(500, milliseconds / 4);
  let leftMs = milliseconds;
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    leftMs -= Math.min(now - last, 2 * everyMs);
    last = now;
    if (leftMs > 0) return;
    clearInterval(timer);
    over();
  }, everyMs);
  return () => {
    clearInterval(timer);
  };
}
