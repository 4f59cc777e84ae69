import { expect, it } from 'vitest';
import { BusyTime } from '../../src/training/meter.js';

it('tells which part of the time between pieces of work was idle, from the first on', async () => {
  let now = 0;
  const device = new BusyTime(() => now);
  const work = (ms: number) =>
    device.during(() => {
      now += ms;
      return Promise.resolve(ms);
    });
  now = 1000;
  expect(await work(500)).toBe(500);
  expect(device.idleShare).toBeUndefined();
  now += 10;
  await work(60);
  now += 10;
  await work(20);
  expect(device.idleShare).toBeCloseTo(20 / 100, 12);

  expect(device.takeIdleShare()).toBeCloseTo(20 / 100, 12);
  expect(device.takeIdleShare()).toBeUndefined();
  now += 30;
  await work(10);
  expect(device.takeIdleShare()).toBeCloseTo(30 / 40, 12);
  expect(device.idleShare).toBeCloseTo(50 / 140, 12);
});
