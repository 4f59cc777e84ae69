import type { StageProgress } from '../pipeline/stage.js';
import { ProgressMeter } from '../pipeline/runs/progress-meter.js';
import { paceFacts, position } from './renderers/sentences.js';

const everySeconds = 0.2;
const plainEverySeconds = 10;

/**
 * Shows how far one piece of work is on stderr: as a line that is rewritten on a terminal, as a line now and then
 * elsewhere. Gives what to call with progress, and what to call at the end.
 */
export function progressLine(
  stderr: NodeJS.WriteStream,
  clock: () => number = () => performance.now() / 1000,
): { readonly show: (progress: Omit<StageProgress, 'type'>) => void; readonly end: () => void } {
  const meter = new ProgressMeter();
  const every = stderr.isTTY ? everySeconds : plainEverySeconds;
  let last = clock() - (stderr.isTTY ? every : 0);
  let isDrawn = false;
  return {
    show: (progress) => {
      const event: StageProgress = { type: 'progress', ...progress };
      meter.add(event, clock());
      if (clock() - last < every) return;
      last = clock();
      const text = [position(event), ...paceFacts(meter.pace, event)].join(', ');
      stderr.write(stderr.isTTY ? `\r\u001B[K${text.slice(0, stderr.columns - 1)}` : `${text}\n`);
      isDrawn = stderr.isTTY;
    },
    end: () => {
      if (isDrawn) stderr.write('\r\u001B[K');
    },
  };
}
