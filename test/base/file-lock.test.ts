import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { acquireLock, tryLock } from '../../src/base/file-lock.js';
import { nodeProgram } from '../support/programs.js';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lock-'));
  path = join(folder, 'deep', 'a.lock');
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

it('has one holder at a time', () => {
  const lock = tryLock(path);
  expect(lock).toBeDefined();
  expect(tryLock(path)).toBeUndefined();
  lock!.release();
  const next = tryLock(path);
  expect(next).toBeDefined();
  next!.release();
});

it('is waited for, saying so once', async () => {
  const lock = tryLock(path)!;
  let said = 0;
  const next = acquireLock(path, { onWait: () => said++ });
  setTimeout(() => {
    lock.release();
  }, 500);
  (await next).release();
  expect(said).toBe(1);
});

it('stops waiting when told to', async () => {
  const lock = tryLock(path)!;
  await expect(acquireLock(path, { signal: AbortSignal.timeout(50) })).rejects.toThrow();
  lock.release();
});

it('is released by the death of its holder', async () => {
  const holder = execa(process.execPath, [...nodeProgram('test/base/hold-lock.ts'), path], {
    reject: false,
  });
  await new Promise((resolve) => holder.stdout.once('data', resolve));
  expect(tryLock(path)).toBeUndefined();
  holder.kill('SIGKILL');
  await holder;
  const lock = tryLock(path);
  expect(lock).toBeDefined();
  lock!.release();
});
