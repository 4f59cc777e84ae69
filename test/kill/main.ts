import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execaSync } from 'execa';
import { unsafeUniformIntDistribution, xoroshiro128plus } from 'pure-rand';
import { type Manifest, outputHash } from '../../src/runner/store/manifest.js';
import { compilePrograms } from '../support/programs.js';
import { startPipeline, tinyPipeline } from '../support/tiny-pipeline.js';

/**
 * Disturbs the real command at random moments over tiny real pipelines: a plain one, one that evaluates, one with two
 * workers and a sweep. Kills it, closes its terminal, sends what batch systems send, and stops it for a while. Checks that
 * what it ends with is what a run that nobody disturbed leaves: the hash of every output.
 *
 *   npm run test:kill               50 disturbances, about 6 minutes on 2 cores
 *   npm run test:kill -- 10 SEED    as many, at other moments
 */

const wanted = Number(process.argv[2] ?? 50);
const seed = Number(process.argv[3] ?? 1);
/** A run that has not come to its end between so many disturbances is let through to it. */
const mostARun = 8;
/** So long a run may take to save when it is asked to end. */
const savingMs = 60_000;

const random = xoroshiro128plus(seed);
const upTo = (limit: number): number => unsafeUniformIntDistribution(0, limit, random);

/** Files that extend the tiny pipeline, and the command that runs them. */
const scenarios = {
  plain: { command: 'run', yaml: '' },
  evaluate: {
    command: 'run',
    yaml: `stages:
  evaluate:
    uses: evaluate
    samples: sample
    reference: images
    autoencoder: autoencoder
    metrics: [latentFrechetDistance]
    latentGrid: 2
`,
  },
  workers: { command: 'run', yaml: 'runtime: { workers: 2 }\n' },
  sweep: { command: 'sweep', yaml: 'sweep: { grid: { stages.train.learningRate: [0.001, 0.002] } }\n' },
} as const;
type Scenario = keyof typeof scenarios;

const isThere = (program: string) => !execaSync('which', [program], { reject: false }).failed;
const hasTerminals = isThere('script');
if (!hasTerminals) console.log('skipped: closed terminals. There is no script: apt-get install bsdutils');

/** What befalls a run; each resolves once its process is gone, with what it did wrong, if anything. */
const disturbances = [
  'kill',
  'kill',
  'hang up',
  'stop',
  ...(hasTerminals ? (['terminal'] as const) : []),
] as const;
type Disturbance = (typeof disturbances)[number];

const programs = await mkdtemp(join(tmpdir(), 'kill programs '));
await compilePrograms(programs);
const folder = await tinyPipeline();
const file = (scenario: Scenario) => `${scenario}.yaml`;
for (const [name, { yaml }] of Object.entries(scenarios))
  await writeFile(join(folder, `${name}.yaml`), `extends: tiny.yaml\nname: ${name}\n${yaml}`);
const argsOf = (scenario: Scenario) => [scenarios[scenario].command, file(scenario)];

const started = performance.now();
let failures = 0;
let disturbed = 0;
const counts: Record<string, number> = {};
const fail = (what: string, told: string): void => {
  failures++;
  console.error(`FAILED: ${what}\n${told}`);
};

try {
  const expected = new Map<Scenario, { hashes: string; ms: number }>();
  for (const scenario of Object.keys(scenarios) as Scenario[]) {
    const begun = performance.now();
    const whole = await startPipeline(folder, argsOf(scenario), `undisturbed ${scenario}`);
    if (whole.exitCode !== 0) throw new Error(whole.stdout + whole.stderr);
    const ms = performance.now() - begun;
    expected.set(scenario, { hashes: await hashesOf(`undisturbed ${scenario}`), ms });
    console.log(`undisturbed ${scenario}: ${(ms / 1000).toFixed(1)} s`);
  }
  for (let round = 0; disturbed < wanted; round++) {
    const scenario = (Object.keys(scenarios) as Scenario[])[round % Object.keys(scenarios).length]!;
    const { hashes, ms } = expected.get(scenario)!;
    const runs = `runs ${round}`;
    for (let i = 0; i < mostARun && disturbed < wanted; i++) {
      const disturbance = disturbances[upTo(disturbances.length - 1)]!;
      const isOver = await disturb(disturbance, scenario, runs, ms);
      counts[disturbance] = (counts[disturbance] ?? 0) + 1;
      disturbed++;
      if (isOver) break;
    }
    const { exitCode, stdout, stderr } = await startPipeline(folder, argsOf(scenario), runs);
    const found = await hashesOf(runs);
    const same = exitCode === 0 && found === hashes;
    console.log(`${scenario}: ${disturbed} disturbances so far, ${same ? 'the same hashes' : 'FAILED'}`);
    if (!same) fail(scenario, exitCode === 0 ? `${hashes}\n${found}` : stdout + stderr);
    await rm(join(folder, runs), { recursive: true, force: true });
  }
} finally {
  for (const made of [folder, programs]) await rm(made, { recursive: true, force: true });
}
const minutes = ((performance.now() - started) / 60_000).toFixed(1);
const kinds = Object.entries(counts).map(([name, count]) => `${name} ${count}`);
console.log(`${disturbed} disturbances in ${minutes} min (${kinds.join(', ')}), ${failures} failures`);
process.exit(failures > 0 ? 1 : 0);

/** The hash of every output in a folder of runs, by kind and fingerprint. */
async function hashesOf(runs: string): Promise<string> {
  const found: string[] = [];
  const store = join(folder, runs, 'store');
  for (const kind of (await readdir(store)).filter((name) => !name.startsWith('.')))
    for (const key of await readdir(join(store, kind)))
      if (!key.endsWith('.partial') && !key.startsWith('.')) {
        const text = await readFile(join(store, kind, key, 'manifest.json'), 'utf8').catch(() => undefined);
        if (text === undefined) continue;
        found.push(`${kind}/${key} ${outputHash(JSON.parse(text) as Manifest) ?? 'tells how it was made'}`);
      }
  return found.sort().join('\n');
}

/** Starts a run and disturbs it: at once in one of five cases, otherwise after it has begun. True if it came to its end. */
async function disturb(
  disturbance: Disturbance,
  scenario: Scenario,
  runs: string,
  wholeMs: number,
): Promise<boolean> {
  const pidFile = join(folder, 'pid');
  await rm(pidFile, { force: true });
  const quoted = (word: string) => `'${word}'`;
  // `script` is the terminal; the shell tells the number of the process that it becomes.
  const under =
    disturbance === 'terminal'
      ? [
          'sh',
          '-c',
          `exec script -qec "echo \\$\\$ > ${quoted(pidFile)}; exec $(printf "'%s' " "$@")" /dev/null`,
          'sh',
        ]
      : [];
  const running = startPipeline(folder, argsOf(scenario), runs, {}, under);
  const begun = new Promise((resolve) => running.stdout.once('data', resolve));
  if (upTo(4) > 0) await Promise.race([begun, running]);
  await Promise.race([sleep(upTo(Math.round((wholeMs / mostARun) * 2))), running]);
  if (running.exitCode !== null) return (await running).exitCode === 0;
  switch (disturbance) {
    case 'kill':
      running.kill('SIGKILL');
      return (await running).signal !== 'SIGKILL';
    case 'hang up': {
      running.kill('SIGHUP');
      await sleep(20);
      running.kill('SIGTERM');
      const { exitCode, signal, stdout, stderr } = await running;
      // Before it listens, a signal ends the process; after its last stage, it has come to its end.
      const isWell = exitCode === 130 || exitCode === 0 || signal !== undefined;
      if (!isWell) fail(`${scenario}, hung up: exit code ${exitCode}`, stdout + stderr);
      return exitCode === 0;
    }
    case 'stop': {
      running.kill('SIGSTOP');
      await sleep(1000 + upTo(1000));
      running.kill('SIGCONT');
      const { exitCode, stdout, stderr } = await running;
      if (exitCode !== 0) fail(`${scenario}, stopped for a while: exit code ${exitCode}`, stdout + stderr);
      return true;
    }
    case 'terminal': {
      running.kill('SIGKILL');
      await running;
      const pid = Number(await readFile(pidFile, 'utf8').catch(() => '0'));
      if (pid === 0) return false;
      for (let waited = 0; isAlive(pid); waited += 50) {
        if (waited > savingMs) {
          fail(`${scenario}: goes on ${savingMs / 1000} s after its terminal was closed`, '');
          process.kill(pid, 'SIGKILL');
          return false;
        }
        await sleep(50);
      }
      return false;
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
