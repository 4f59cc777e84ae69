import { existsSync, readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { execa } from 'execa';
import { wholeOption } from './command-line.js';

/**
 * Measures this tree and prints how its speed differs from that of the last release, whose measurements are kept beside
 * this file:
 *
 *   npm run bench:released [-- --keep] [--from FILE] [--released FILE] [--seconds 150]
 *
 * Ratios are compared and no seconds: bare products of the same shapes, measured in the same run, by the whole. Machines
 * and what else runs on them then matter little; kinds of processors do, so each has measurements of its own. `--keep`
 * keeps what is measured, for a release. `--from` takes lines of `npm run bench -- --json` in place of measuring.
 */

const { values } = parseArgs({
  options: {
    keep: { type: 'boolean', default: false },
    from: { type: 'string' },
    released: { type: 'string', default: fileURLToPath(new URL('released.json', import.meta.url)) },
    seconds: { type: 'string', default: '150' },
  },
});

/** A line of `npm run bench -- --json`, as far as it counts here. */
interface Line {
  readonly what: string;
  readonly precision: string;
  readonly share_of_matmuls?: number;
}
/** Measurements of a release, by processor. */
type Released = Record<string, { readonly version: string; readonly lines: readonly Line[] }>;

/** A change below this is no more than two runs of the same program differ by. */
const noise = 0.1;
const options = ['--batch', '4', '--repeats', '4', '--json'];

const processor = processorName();
const released = existsSync(values.released)
  ? (JSON.parse(await readFile(values.released, 'utf8')) as Released)
  : {};
const lines = values.from === undefined ? await measured() : linesIn(await readFile(values.from, 'utf8'));
if (values.keep) {
  const { version } = JSON.parse(
    await readFile(fileURLToPath(new URL('../../package.json', import.meta.url)), 'utf8'),
  ) as { readonly version: string };
  const kept: Released = { ...released, [processor]: { version, lines } };
  await writeFile(values.released, `${JSON.stringify(kept, undefined, 2)}\n`);
  console.log(`Kept for ${version} on ${processor}.`);
} else print(lines, released[processor]);

/** The processor with what tells generations of it apart: virtual ones have the same name. */
function processorName(): string {
  const { model } = cpus()[0]!;
  try {
    const facts = readFileSync('/proc/cpuinfo', 'utf8');
    const [family, number] = ['cpu family', 'model'].map(
      (name) => new RegExp(`^${name}\\s*: (\\d+)$`, 'm').exec(facts)![1],
    );
    return `${model}, family ${family!}, model ${number!}`;
  } catch {
    return model;
  }
}

function linesIn(text: string): readonly Line[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Line);
}

/** Lines of this tree; fewer where time runs out. */
async function measured(): Promise<readonly Line[]> {
  const found: Line[] = [];
  const end = performance.now() + 1000 * wholeOption('--seconds', values.seconds);
  for (const precision of ['float32', 'bfloat16']) {
    const program = fileURLToPath(new URL('main.ts', import.meta.url));
    const args = [...process.execArgv, program, ...options, '--precision', precision];
    const timeout = Math.max(1, Math.round(end - performance.now()));
    const { stdout, failed, timedOut, stderr } = await execa(process.execPath, args, {
      ...{ reject: false, timeout, killSignal: 'SIGKILL' },
    });
    found.push(...linesIn(stdout));
    if (failed) console.log(`${precision}: ${timedOut ? 'time ran out' : stderr.trim().split('\n').at(-1)}`);
  }
  return found;
}

function print(lines: readonly Line[], last: Released[string] | undefined): void {
  console.log(
    last === undefined
      ? `Nothing is kept of a release on ${processor}, only on ${Object.keys(released).join('; ') || 'no processor'}.`
      : `Speed as a share of bare products, ${last.version} and now, on ${processor}:`,
  );
  for (const { what, precision, share_of_matmuls: now } of lines) {
    if (now === undefined) continue;
    const before = last?.lines.find((line) => line.what === what && line.precision === precision);
    const cells = [precision.padEnd(8), what.padEnd(13), percent(before?.share_of_matmuls), percent(now)];
    console.log([...cells, changeOf(before?.share_of_matmuls, now)].join('  ').trimEnd());
  }
}

function percent(share: number | undefined): string {
  return (share === undefined ? '–' : `${(100 * share).toFixed(0)} %`).padStart(6);
}

function changeOf(before: number | undefined, now: number): string {
  if (before === undefined) return '';
  const change = now / before - 1;
  if (Math.abs(change) < noise) return 'no change beyond noise';
  return `${Math.abs(100 * change).toFixed(0)} % ${change < 0 ? 'slower' : 'faster'}`;
}
