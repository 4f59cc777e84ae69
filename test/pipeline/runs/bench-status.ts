import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { listRuns } from '../../../src/pipeline/index.js';
import { writeManyRuns } from './synthetic-runs.js';

/** Times `pipeline status` with 1,000 runs: the whole command, from the sources, and the reading of the runs in it. */
const folder = mkdtempSync(join(tmpdir(), 'bench-status-'));
const main = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url));
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
  await writeManyRuns(folder, 1000);
  const pipeline = (...args: string[]) =>
    execFileSync(process.execPath, ['--import', import.meta.resolve('tsx'), main, ...args]);
  console.log(`reading 1,000 runs: ${await timed(() => listRuns(folder))} ms`);
  console.log(`pipeline --version: ${await timed(() => pipeline('--version'))} ms`);
  console.log(`pipeline status:    ${await timed(() => pipeline('status', '--runs', folder))} ms`);
} finally {
  rmSync(folder, { recursive: true });
}
