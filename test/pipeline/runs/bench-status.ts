import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listRuns } from '../../../src/pipeline/index.js';
import { writeManyRuns } from './synthetic-runs.js';
import { compilePrograms, nodeProgram } from '../../support/programs.js';

/** Times `pipeline status` with 1,000 runs: the whole command, and the reading of the runs in it. */
const folder = mkdtempSync(join(tmpdir(), 'bench-status-'));
const timed = async (work: () => unknown): Promise<number> => {
  const times: number[] = [];
  for (let i = 0; i < 5; i++) {
    const start = performance.now();
    await work();
    times.push(performance.now() - start);
  }
  return Math.round(Math.min(...times));
};
try {
  mkdirSync(join(folder, 'programs'));
  await compilePrograms(join(folder, 'programs'));
  await writeManyRuns(folder, 1000);
  const pipeline = (...args: string[]) =>
    execFileSync(process.execPath, [...nodeProgram('src/cli/main.ts'), ...args]);
  console.log(`reading 1,000 runs: ${await timed(() => listRuns(folder))} ms`);
  console.log(`pipeline --version: ${await timed(() => pipeline('--version'))} ms`);
  console.log(`pipeline status:    ${await timed(() => pipeline('status', '--runs', folder))} ms`);
} finally {
  rmSync(folder, { recursive: true });
}
