import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { renderSection } from '../../src/pages/html.js';
import type { Run } from '../../src/runner/runs/run.js';
import { failureSection } from '../../src/ui/pages/run-page.js';

let folder: string;
let directory: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'failure-'));
  directory = join(folder, 'run');
  await mkdir(directory);
  await writeFile(join(folder, 'secret.log'), 'a secret');
});
afterEach(() => rm(folder, { recursive: true }));

async function shown(stage = 'train'): Promise<string> {
  const run = { state: 'failed', stage, record: { stages: {} }, directory };
  return renderSection((await failureSection(run as unknown as Run))!).text;
}

it('shows the log, also where a link in the folder leads to it', async () => {
  await writeFile(join(directory, 'kept.log'), 'the last words');
  expect(await shown('kept')).toContain('the last words');
  await symlink('kept.log', join(directory, 'train.log'));
  expect(await shown()).toContain('the last words');
});

it('does not show what lies outside of the folder, and says so', async () => {
  await symlink(join(folder, 'secret.log'), join(directory, 'train.log'));
  expect(await shown()).not.toContain('a secret');
  expect(await shown()).toContain('outside of the run');
  // A record may name anything.
  expect(await shown('../secret')).not.toContain('a secret');
});
