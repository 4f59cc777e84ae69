/// <reference lib="es2024.arraybuffer" />
import { existsSync } from 'node:fs';
import { expect, it } from 'vitest';
import { forgetPeakMemory, peakMemoryBytes } from '../../src/tensorflow/native-memory.js';

const bytes = 2 ** 28;

it('counts the most memory since it was told to forget what there was before', ({ skip }) => {
  if (!existsSync('/proc/self/clear_refs')) skip('this system has no /proc/self/clear_refs');
  const memory = new ArrayBuffer(bytes, { maxByteLength: bytes });
  new Uint8Array(memory).fill(1);
  const most = peakMemoryBytes();
  memory.resize(0);
  // The kernel counts pages in portions: what was taken just now may be added later.
  expect(peakMemoryBytes()).toBeGreaterThanOrEqual(most);
  forgetPeakMemory();
  // Half: what else happens in this process meanwhile is far less.
  expect(peakMemoryBytes()).toBeLessThan(most - bytes / 2);
});
