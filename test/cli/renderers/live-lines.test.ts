import { Chalk } from 'chalk';
import stringWidth from 'string-width';
import { describe, expect, it } from 'vitest';
import { activeStageLines, fit } from '../../../src/cli/renderers/live-lines.js';
import { ProgressMeter } from '../../../src/runner/runs/progress-meter.js';

const chalk = new Chalk({ level: 0 });

function lines(width: number): readonly string[] {
  const meter = new ProgressMeter();
  const event = { type: 'progress', total: 10_000, unit: 'steps', figures: { loss: 0.18342 } } as const;
  meter.add({ ...event, done: 5000 }, 0);
  meter.add({ ...event, done: 5200 }, 20);
  return activeStageLines(
    { stage: 'train', notes: [], resumed: false, since: 0, meter },
    11,
    width,
    25,
    chalk,
  );
}

describe('the running stage', () => {
  it('has a bar, its place, its pace and its figures', () => {
    expect(lines(79)).toEqual([
      '● train        ━━━━━━━━━━━━━━━━━━─────────────────  52 %  5,200 of 10,000 steps',
      '               10.0 steps/s · 8 min 00 s left · loss 0.1834 · 25 s',
    ]);
  });
  it.each([20, 30, 40, 50, 60, 79, 119, 200])('never wraps at %d columns', (width) => {
    for (const line of lines(width)) expect(stringWidth(line)).toBeLessThanOrEqual(width);
  });
  it('gives up the bar first', () => {
    expect(lines(50)[0]).toBe('● train        52 %  5,200 of 10,000 steps');
  });
  it('cuts wide characters at whole columns', () => {
    expect(fit('日本語', 6)).toBe('日本語');
    expect(fit('日本語', 5)).toBe('日本…');
    expect(fit('日本語', 4)).toBe('日…');
  });
});
