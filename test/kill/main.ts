/**
 * Kills the real command at random moments over a tiny real pipeline, and checks that what it ends with is what a run
 * that nobody killed leaves: the hash of every output, by its lock.
 *
 *   npm run test:kill               50 kills, 6 minutes at most
 *   npm run test:kill -- 10 SEED    as many, at other moments
 */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { xoroshiro128plus } from 'pure-rand';
import { unsafeUniformIntDistribution } from 'pure-rand';
import { lockPath } from '../../src/pipeline/index.js';
import { startPipeline, tinyPipeline } from '../support/tiny-pipeline.js';

const kills = Number(process.argv[2] ?? 50);
const seed = Number(process.argv[3] ?? 1);
const longestMinutes = 6;
/** A run is let through to its end after so many kills in a row, so that more than one is finished. */
const killsARun = 10;

const random = xoroshiro128plus(seed);
const upTo = (limit: number): number => unsafeUniformIntDistribution(0, limit, random);

const folder = await tinyPipeline();
const lockText = (): Promise<string> => readFile(lockPath(join(folder, 'tiny.yaml')), 'utf8');
const started = performance.now();
const elapsedMs = (): number => performance.now() - started;

const whole = await startPipeline(folder, ['run', 'tiny.yaml'], 'runs undisturbed');
if (whole.exitCode !== 0) throw new Error(whole.stderr);
const expected = await lockText();
const wholeMs = elapsedMs();
console.log(`undisturbed: ${(wholeMs / 1000).toFixed(1)} s`);

let killed = 0;
let failures = 0;
for (let round = 1; killed < kills && elapsedMs() < longestMinutes * 60_000; round++) {
  const runs = `runs ${round}`;
  await rm(lockPath(join(folder, 'tiny.yaml')));
  for (let i = 0; i < killsARun && killed < kills && elapsedMs() < longestMinutes * 60_000; i++)
    if (await killSometime(runs)) killed++;
  const { exitCode, stdout, stderr } = await startPipeline(folder, ['run', 'tiny.yaml'], runs);
  const same = exitCode === 0 && (await lockText()) === expected;
  console.log(`round ${round}: ${killed} kills so far, ${same ? 'the same hashes' : 'FAILED'}`);
  if (same) continue;
  failures++;
  console.error(exitCode === 0 ? await lockText() : stdout + stderr);
}
await rm(folder, { recursive: true, force: true });
console.log(`${killed} of ${kills} kills in ${(elapsedMs() / 60_000).toFixed(1)} min, ${failures} failures`);
process.exit(failures > 0 || killed === 0 ? 1 : 0);

/** Starts a run and kills it: at once in one of five cases, otherwise after it has begun. Gives whether it lived to be. */
async function killSometime(runs: string): Promise<boolean> {
  const running = startPipeline(folder, ['run', 'tiny.yaml', '--json'], runs);
  const begun = new Promise((resolve) => running.stdout.once('data', resolve));
  if (upTo(4) > 0) await Promise.race([begun, running]);
  await Promise.race([sleep(upTo(Math.round(wholeMs / killsARun) * 2)), running]);
  running.kill('SIGKILL');
  return (await running).signal === 'SIGKILL';
}
