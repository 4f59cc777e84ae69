import { expect, it } from 'vitest';
import { place, type Placed, Places } from '../../src/runner/placement.js';

const gb = (count: number): number => count * 1e9;
const on = (devices: readonly string[], bytes = 0): Placed => ({
  devices: devices.length,
  bytes,
  on: devices,
});

it.each<
  [string, readonly string[], number, number, number, readonly Placed[], readonly string[] | undefined]
>([
  // what, GPUs, memory, GPUs wanted, memory wanted, what runs, where it starts
  ['the first of three', ['0', '1', '2'], 64, 1, 8, [], ['0']],
  ['the second beside it', ['0', '1', '2'], 64, 1, 8, [on(['0'], gb(8))], ['1']],
  ['a gap', ['0', '1', '2'], 64, 1, 8, [on(['0']), on(['2'])], ['1']],
  ['no GPU left', ['0', '1'], 64, 1, 8, [on(['0']), on(['1'])], undefined],
  ['two workers, two free', ['3', '5', '7'], 64, 2, 8, [on(['5'])], ['3', '7']],
  ['two workers, one free', ['3', '5'], 64, 2, 8, [on(['5'])], undefined],
  ['more workers than there are GPUs, alone', ['0', '1'], 64, 4, 8, [], ['0', '1']],
  ['more workers than there are GPUs, beside another', ['0', '1'], 64, 4, 8, [on(['0'])], undefined],
  ['too little memory beside another', ['0', '1'], 10, 1, 6, [on(['0'], gb(6))], undefined],
  ['just enough memory', ['0', '1'], 12, 1, 6, [on(['0'], gb(6))], ['1']],
  ['too little memory even alone', ['0'], 4, 1, 6, [], ['0']],
  ['on processors', [], 12, 1, 6, [on([], gb(6))], []],
  ['on processors without memory', [], 10, 1, 6, [on([], gb(6))], undefined],
  ['what needs no GPU, all taken', ['0'], 64, 0, 1, [on(['0'], gb(8))], []],
])('%s', (_what, devices, memory, wanted, bytes, running, expected) => {
  expect(place({ devices: wanted, bytes: gb(bytes) }, { devices, bytes: gb(memory) }, running)).toEqual(
    expected,
  );
});

it('gives places back to those that wait, and lets them give up', async () => {
  const places = new Places({ devices: ['0'], bytes: 0 });
  const { signal } = new AbortController();
  const first = await places.wait({ devices: 1, bytes: 0 }, signal);
  const second = places.wait({ devices: 1, bytes: 0 }, signal);
  const stopped = new AbortController();
  const third = places.wait({ devices: 1, bytes: 0 }, stopped.signal);
  stopped.abort(new Error('enough'));
  await expect(third).rejects.toThrow('enough');
  places.leave(first);
  expect((await second).on).toEqual(['0']);
});
