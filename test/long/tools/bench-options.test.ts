import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { expect, it } from 'vitest';

const run = (program: string, ...args: string[]) =>
  execa(
    process.execPath,
    [
      '--import',
      'tsx',
      fileURLToPath(new URL(`../../../tools/bench/${program}.ts`, import.meta.url)),
      ...args,
    ],
    { reject: false },
  );

it.each([
  ['main', ['--mediators', 'none'], 'A whole number is expected.'],
  ['main', ['--mediators', '5'], '--mediators: expected a perfect square, or 0; found 5.'],
  ['main', ['--nothing'], "unknown option '--nothing'"],
  ['table', ['/nowhere/lines', '--mediators', 'none,none'], 'A whole number is expected.'],
  ['table', ['/nowhere/lines', '--models', 'SiT-T/2'], '--model: expected one of SiT-S/2, '],
  ['table', ['/nowhere/lines', '--precision', 'half'], 'Allowed choices are float32, bfloat16.'],
  ['start', ['--model', 'SiT-T/2'], '--model: expected one of SiT-S/2, '],
  ['start', ['--rounds', 'few'], 'A whole number is expected.'],
  ['frontier', [], "missing required argument 'file'"],
  [
    'workers',
    ['--batch', '8', '--workers', '3'],
    '--workers: expected numbers that divide a batch of 8; found 3.',
  ],
  ['workers', ['--steps', 'some'], '--steps: expected a whole number; found some.'],
  ['released', ['--keeps'], "Unknown option '--keeps'"],
  ['images', ['--count', '-4'], "Option '--count"],
  ['evaluation', ['--count', '1e3'], '--count: expected a whole number; found 1e3.'],
  ['gpu', ['--seconds', 'few'], '--seconds: expected a whole number; found few.'],
  ['encoding', ['wide'], 'SIZE: expected a whole number; found wide.'],
])('%s %j ends with a message and no stack', async (program, args, message) => {
  const { exitCode, stderr } = await run(program, ...args);
  expect(stderr).toContain(message);
  expect(stderr).not.toMatch(/^ +at /m);
  expect(exitCode).toBe(2);
});
