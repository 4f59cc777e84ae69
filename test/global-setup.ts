import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compilePrograms } from './support/programs.js';

/**
 * Compiles what the tests start, and gives them and every program that they start a folder of their own for temporary
 * files, which is removed when they are over: whatever a test forgets or a killed program leaves is gone with it.
 */
export default async function setup(): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'mediator-sit-tests-'));
  process.env.TMPDIR = folder;
  const programs = join(folder, 'programs');
  await mkdir(programs);
  await compilePrograms(programs);
  return () => rm(folder, { recursive: true, force: true, maxRetries: 3 });
}
