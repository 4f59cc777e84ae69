/**
 * Kills the real command at random moments over a tiny real pipeline, and checks that what it ends with is what a run
 * that nobody killed leaves: the hash of every output, by its lock.
 *
 *   npm run test:kill               50 kills, about 3 minutes on 2 cores
 *   npm run test:kill -- 10 SEED    as many, at other moments
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { unsafeUniformIntDistribution, xoroshiro128plus } from 'pure-rand';
import { lockPath } from '../../src/pipeline/index.js';
import { compilePrograms } from '../support/programs.js';
import { startPipeline, tinyPipeline } from '../support/tiny-pipeline.js';

const kills = Number(process.argv[2] ?? 50);
const seed = Number(process.argv[3] ?? 1);
/** A run that has not come to its end between so many kills is let through to it. */
const killsARun = 10;

const random = xoroshiro128plus(seed);
const upTo = (limit: number): number => unsafeUniformIntDistribution(0, limit, random);

const programs = await mkdtemp(join(tmpdir(), 'kill programs '));
await compilePrograms(programs);
const folder = await tinyPipeline();
const lockText = (): Promise<string> => readFile(lockPath(join(folder, 'tiny.yaml')), 'utf8');
const started = performance.now();
const elapsedMs = (): number => performance.now() - started;

let wholeMs = 0;
let killed = 0;
let failures = 0;
try {
  const whole = await startPipeline(folder, ['run', 'tiny.yaml'], 'runs undisturbed');
  if (whole.exitCode !== 0) throw new Error(whole.stderr);
  const expected = await lockText();
  wholeMs = elapsedMs();
  console.log(`undisturbed: ${(wholeMs / 1000).toFixed(1)} s`);
  for (let round = 1; killed < kills; round++) {
    const runs = `runs ${round}`;
    await rm(lockPath(join(folder, 'tiny.yaml')));
    for (let i = 0; i < killsARun && killed < kills && (await killSometime(runs)); i++) killed++;
    const { exitCode, stdout, stderr } = await startPipeline(folder, ['run', 'tiny.yaml'], runs);
    const same = exitCode === 0 && (await lockText()) === expected;
    console.log(`round ${round}: ${killed} kills so far, ${same ? 'the same hashes' : 'FAILED'}`);
    if (same) continue;
    failures++;
    console.error(exitCode === 0 ? await lockText() : stdout + stderr);
  }
} finally {
  for (const made of [folder, programs]) await rm(made, { recursive: true, force: true });
}
console.log(`${killed} kills in ${(elapsedMs() / 60_000).toFixed(1)} min, ${failures} failures`);
process.exit(failures > 0 ? 1 : 0);

/** Starts a run and kills it: at once in one of five cases, otherwise after it has begun. False if it came to its end. */
async function killSometime(runs: string): Promise<boolean> {
  const running = startPipeline(folder, ['run', 'tiny.yaml', '--json'], runs);
  const begun = new Promise((resolve) => running.stdout.once('data', resolve));
  if (upTo(4) > 0) await Promise.race([begun, running]);
  await Promise.race([sleep(upTo(Math.round(wholeMs / killsARun) * 2)), running]);
  running.kill('SIGKILL');
  return (await running).signal === 'SIGKILL';
}
