import { setTimeout } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { Room } from '../../src/base/room.js';

it('gives out no more than there is, in turn, and what is larger to one alone', async () => {
  const room = new Room(10);
  let [used, most] = [0, 0];
  const order: number[] = [];
  const take = (bytes: number) =>
    room.with(bytes, async () => {
      order.push(bytes);
      used += bytes;
      most = Math.max(most, bytes > 10 ? 0 : used);
      if (bytes > 10) expect(used).toBe(bytes);
      await setTimeout(2);
      used -= bytes;
      if (bytes === 4) throw new Error('failed');
    });
  const sizes = [6, 5, 4, 25, 1, 9, 3, 25, 2];
  const ends = await Promise.allSettled(sizes.map(take));
  expect(order).toEqual(sizes);
  expect(most).toBe(10);
  expect(ends.map(({ status }) => status).indexOf('rejected')).toBe(2);
});
