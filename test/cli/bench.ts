import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeManyRuns } from '../runner/runs/synthetic-runs.js';
import { compilePrograms, nodeProgram } from '../support/programs.js';

/**
 * Times what is done many times a day: `--help`, `validate` and `plan` of the longest recipe, `plan` of 200 cached stages and
 * of a sweep with 200 points, `status` with 1,000 runs. Of each the whole command and, next to it, its own work: without the start of Node, but
 * with what it loads.
 *
 *   npm run bench:pipeline
 */

const recipe = fileURLToPath(new URL('../../pipelines/quickstart.yaml', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'bench-'));
const stage = (i: number): string =>
  `  stage-${i}: { uses: autoencoder, images: images, channels: [32, 64, 96], steps: ${i} }\n`;
const steps = Array.from({ length: 200 }, (_, i) => i + 1);
const sweptYaml = `name: bench-sweep
stages:
  images: { uses: images, path: data, size: 32 }
  autoencoder: { uses: autoencoder, images: images, channels: [32, 64, 96], steps: 1 }
sweep: { grid: { stages.autoencoder.steps: [${steps.join(', ')}] } }
`;
const yaml = `name: bench
stages:
  images: { uses: images, path: data, size: 32 }
${steps.slice(1).map(stage).join('')}`;

/** A command in the bench's folder. */
function run(program: string, args: readonly string[]): void {
  runNode([...nodeProgram(program), ...args]);
}

function runNode(args: readonly string[]): void {
  const env = { ...process.env, PIPELINE_RUNS: join(folder, 'runs'), TOY_SESSIONS: join(folder, 'sessions') };
  execFileSync(process.execPath, args, { cwd: folder, env, stdio: 'ignore' });
}

/** The least of ten times, in milliseconds. */
function leastMs(work: () => void): number {
  const times = Array.from({ length: 10 }, () => {
    const start = performance.now();
    work();
    return performance.now() - start;
  });
  return Math.min(...times);
}

const main = 'src/cli/main.ts';
const toy = 'test/cli/toy-main.ts';
try {
  mkdirSync(join(folder, 'programs'));
  await compilePrograms(join(folder, 'programs'));
  mkdirSync(join(folder, 'data'));
  writeFileSync(join(folder, 'data', 'a.png'), 'a');
  writeFileSync(join(folder, 'bench.yaml'), yaml);
  writeFileSync(join(folder, 'bench-sweep.yaml'), sweptYaml);
  await writeManyRuns(join(folder, 'many'), 1000);
  run(toy, ['run', 'bench.yaml']);
  const startMs = leastMs(() => {
    runNode(['--eval', '0']);
  });
  console.log(`${"Node's start".padEnd(34)} ${startMs.toFixed(0)} ms`);
  const timed = (title: string, program: string, args: readonly string[]): void => {
    const ms = leastMs(() => {
      run(program, args);
    });
    console.log(`${title.padEnd(34)} ${ms.toFixed(0)} ms, own work ${(ms - startMs).toFixed(0)} ms`);
  };
  timed('--help', main, ['--help']);
  timed('validate quickstart.yaml', main, ['validate', recipe]);
  timed('plan quickstart.yaml', main, ['plan', recipe]);
  timed('plan, 200 cached stages', toy, ['plan', 'bench.yaml']);
  timed('sweep --plan, 200 points', toy, ['sweep', 'bench-sweep.yaml', '--plan']);
  timed('status, 1,000 runs', main, ['status', '--runs', join(folder, 'many')]);
} finally {
  rmSync(folder, { recursive: true });
}
