import { expect, it } from 'vitest';
import { checkpointSchedule } from '../../src/training/schedule.js';

/** Steps from 1 to 24 for which something holds. */
const steps = (holds: (step: number) => boolean) => Array.from({ length: 24 }, (_, i) => i + 1).filter(holds);

it('saves every so many steps, and at the end of every so many epochs', () => {
  const schedule = checkpointSchedule({ everySteps: 10, everyEpochs: 2, keepLast: 3 }, 4);
  expect(steps((step) => schedule.isDue(step))).toEqual([8, 10, 16, 20, 24]);
  expect(steps((step) => schedule.isKept(step))).toEqual([]);
  expect(schedule.keepLast).toBe(3);
});

it('keeps every so many for good, of those of epochs where there are any', () => {
  const epochs = checkpointSchedule({ everySteps: 5, everyEpochs: 2, keepLast: 1, keepEvery: 2 }, 3);
  expect(steps((step) => epochs.isKept(step))).toEqual([12, 24]);
  const plain = checkpointSchedule({ everySteps: 5, keepLast: 1, keepEvery: 2 });
  expect(steps((step) => plain.isKept(step))).toEqual([10, 20]);
});
