import { describe, expect, it } from 'vitest';
import { ProgressMeter } from '../../../src/runner/runs/progress-meter.js';

const progress = (done: number, total = 1000, unit = 'steps') =>
  ({ type: 'progress', done, total, unit }) as const;

describe('the pace of a stage', () => {
  it('counts this session only', () => {
    const meter = new ProgressMeter();
    meter.add(progress(900), 0);
    expect(meter.pace).toEqual({});
    meter.add(progress(910), 5);
    expect(meter.pace).toEqual({ rate: 2, secondsLeft: 45 });
  });
  it('follows a change of speed within half a minute', () => {
    const meter = new ProgressMeter();
    for (let second = 0; second <= 60; second++) meter.add(progress(second * 4), second);
    for (let second = 61; second <= 100; second++) meter.add(progress(240 + second - 60), second);
    expect(meter.pace.rate).toBeCloseTo(1, 6);
  });
  it('can tell the pace of steps that take longer than its window', () => {
    const meter = new ProgressMeter();
    for (let step = 0; step < 4; step++) meter.add(progress(step), step * 100);
    expect(meter.pace.rate).toBeCloseTo(0.01, 9);
  });
  it('starts anew where something else is counted', () => {
    const meter = new ProgressMeter();
    meter.add(progress(0), 0);
    meter.add(progress(1000), 10);
    meter.add(progress(0, 50, 'images'), 11);
    meter.add(progress(10, 50, 'images'), 21);
    expect(meter.pace).toEqual({ rate: 1, secondsLeft: 40 });
  });
});
