import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, it } from 'vitest';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bench-table-'));
});
afterAll(() => rm(folder, { recursive: true }));

const program = new URL('../../../tools/bench/table.ts', import.meta.url).pathname;
const smallest = [
  '--models',
  'SiT-S/2',
  '--pixels',
  '32',
  '--batches',
  '1',
  '--mediators',
  '0,4',
  '--repeats',
  '1',
];

async function run(file: string, ...options: string[]) {
  const { exitCode, stdout, stderr } = await execa({ reject: false })(process.execPath, [
    '--import',
    'tsx',
    program,
    file,
    ...smallest,
    ...options,
  ]);
  return { exitCode, stdout, measured: stderr.split('\n').filter((line) => line.includes('SiT-S/2')) };
}

const linesOf = async (file: string) =>
  (await readFile(file, 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

it('measures what is missing, one process each, and tells rates, gains and memory', async () => {
  const file = join(folder, 'table.jsonl');
  const page = join(folder, 'page.md');
  await writeFile(
    page,
    'Before.\n\n<!-- npm run bench:table -->\n\nold\n\n<!-- end of the tables -->\n\nAfter.\n',
  );
  expect((await run(file, '--most', '1')).measured).toHaveLength(1);
  // A stand-in for Python: PyTorch's lines, without PyTorch.
  const python = join(folder, 'python');
  await writeFile(
    python,
    `#!${process.execPath}\nif (process.argv.at(-1) === 'frozen') process.exit(1);\nconsole.log('{"what": "", "seconds": 100, "peak_rss_mb": 1000000}');\n`,
    { mode: 0o755 },
  );
  const torch = ['--torch', folder, '--python', python];
  const { measured } = await run(file, ...torch);
  expect(measured).toHaveLength(13);
  expect(measured.filter((line) => line.endsWith('failed'))).toHaveLength(2);
  const again = await run(file, ...torch, '--write', page);
  expect(again.measured).toEqual([]);
  const rows = again.stdout.split('\n').filter((line) => line.startsWith('| SiT-S/2'));
  expect(rows).toHaveLength(2);
  const ours = (await linesOf(file)).filter((line) => line.program === 'ours');
  const seconds = (what: string, mediators: number) =>
    ours.find((line) => line.what === what && line.mediators === mediators)!.seconds as number;
  expect(rows[0]).toContain(
    `| ${(1 / seconds('forward', 0)).toPrecision(3)} | ${(1 / seconds('forward', 4)).toPrecision(3)} | ${(seconds('forward', 0) / seconds('forward', 4)).toFixed(2)} | 1.00 |`,
  );
  expect(rows[1]).toContain(`${(100 / seconds('train step', 4)).toFixed(2)} (eager)`);
  const written = await readFile(page, 'utf8');
  expect(written).toContain(again.stdout);
  expect(written).toMatch(/^Before\.\n[^]*\nAfter\.\n$/);
  expect(written).not.toContain('old');
}, 240_000);

it('refuses to mix figures of processors', async () => {
  const file = join(folder, 'other.jsonl');
  await writeFile(file, '{"processor": "Z80, 1 threads", "model": "SiT-S/2"}\n');
  expect((await run(file)).exitCode).toBe(2);
});
