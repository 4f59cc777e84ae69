import { formatBytes } from '../../base/format.js';
import type { SetupEvent, SetupReport } from './wheel-source.js';

/** Members of a stream that a view needs. */
export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const redrawMilliseconds = 100;
const plainLineMilliseconds = 10_000;

/** Shows set-up events: on a terminal one line that is redrawn, elsewhere a plain line now and then. */
export function setupView(output: Output, now: () => number = Date.now): SetupReport & { end(): void } {
  const redraws = output.isTTY === true;
  const interval = redraws ? redrawMilliseconds : plainLineMilliseconds;
  let begun: { label: string; at: number; done: number } | undefined;
  let shownAt = -Infinity;
  let open = false;

  const line = (text: string) => {
    if (open) output.write('\r\x1b[K');
    open = false;
    output.write(`${text}\n`);
  };
  const progress = ({ label, done, total }: SetupEvent & { type: 'progress' }) => {
    const time = now();
    if (begun?.label !== label || done < begun.done) {
      begun = { label, at: time, done };
      if (!redraws) shownAt = time;
    }
    if (time - shownAt < interval) return;
    shownAt = time;
    const text = describeProgress(done, total, done - begun.done, (time - begun.at) / 1000);
    if (redraws) output.write(`\r\x1b[K  ${text}`.slice(0, (output.columns ?? 80) + 3));
    else output.write(`  ${text}\n`);
    open = redraws;
  };
  const view = (event: SetupEvent) => {
    if (event.type === 'progress') {
      progress(event);
      return;
    }
    begun = undefined;
    shownAt = -Infinity;
    line(event.type === 'warning' ? `Warning: ${event.message}` : event.message);
  };
  return Object.assign(view, {
    /** Clears the line that is being redrawn. */
    end() {
      if (open) output.write('\r\x1b[K');
      open = false;
    },
  });
}

/** Describes a download's progress, such as `120 MB of 274 MB (44 %), 11 MB/s, 14 s left`. */
export function describeProgress(done: number, total: number, gained: number, seconds: number): string {
  const share = total > 0 ? Math.floor((100 * done) / total) : 100;
  const position = `${formatBytes(done)} of ${formatBytes(total)} (${share} %)`;
  if (gained <= 0 || seconds < 0.5) return position;
  const rate = gained / seconds;
  return `${position}, ${formatBytes(rate)}/s, ${describeSeconds((total - done) / rate)} left`;
}

function describeSeconds(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 100) return `${whole} s`;
  return whole < 5400 ? `${Math.round(whole / 60)} min` : `${(whole / 3600).toFixed(1)} h`;
}
