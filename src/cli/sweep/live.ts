import { Chalk } from 'chalk';
import { createLogUpdate } from 'log-update';
import type { TimedSweepEvent } from '../../pipeline/sweep/index.js';
import { closingText, type ClosingOptions } from './closing.js';
import type { SweepRenderer } from './renderer.js';
import { SweepView } from './view.js';

const redrawMilliseconds = 200;

/** A live view: trials that have ended stay above as lines, those that run are redrawn below. */
export function liveSweepRenderer(stdout: NodeJS.WriteStream, closing: ClosingOptions): SweepRenderer {
  const live = createLogUpdate(stdout);
  const view = new SweepView(new Chalk({ level: closing.color ? 1 : 0 }), closing.keys);
  const draw = (): void => {
    live(view.lines(stdout.columns, stdout.rows, performance.now() / 1000).join('\n'));
  };
  const timer = setInterval(draw, redrawMilliseconds).unref();
  const above = (text: string): void => {
    live.clear();
    stdout.write(text);
  };
  return {
    show: (event: TimedSweepEvent) => {
      const lines = view.take(event, performance.now() / 1000);
      if (lines.length > 0) above(lines.map((line) => `${line}\n`).join(''));
      if (
        event.type === 'sweep-finished' ||
        event.type === 'sweep-failed' ||
        event.type === 'sweep-interrupted'
      )
        above(closingText(event, { ...closing, width: stdout.columns }));
      else draw();
    },
    stopping: () => {
      view.stopping = true;
      draw();
    },
    end: () => {
      clearInterval(timer);
      live.clear();
      live.done();
    },
  };
}
