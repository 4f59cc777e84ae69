import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const document = await readFile(join(root, 'docs', 'engine.md'), 'utf8');
const examples = [...document.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code!);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(root, 'node_modules', '.examples-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('the examples of docs/engine.md', () => {
  test.each(examples.map((code, i) => [i, code] as const))(
    'number %d prints what it says',
    async (i, code) => {
      const path = join(folder, `example-${i}.mts`);
      await writeFile(path, code.replaceAll("'mediator-sit/engine'", "'../../src/tensorflow/index.ts'"));
      const { stdout, stderr, exitCode } = await execa(
        process.execPath,
        ['--import', import.meta.resolve('tsx'), path],
        {
          reject: false,
        },
      );
      expect(exitCode, stderr).toBe(0);
      const promised = [...code.matchAll(/console\.log\(.*\); \/\/ (.*?)(?:, up to rounding)?$/gm)].map(
        ([, line]) => line!,
      );
      expect(promised.length).toBeGreaterThan(0);
      const numbers = (text: string) => (text.match(/-?[\d.]+(?:e-?\d+)?/g) ?? []).map(Number);
      const words = (text: string) => text.replace(/-?[\d.]+(?:e-?\d+)?/g, '#');
      const printed = stdout.trim().split('\n');
      expect(printed.map(words)).toEqual(promised.map(words));
      // Float32.
      for (const [line, text] of promised.entries())
        expect(numbers(printed[line]!)).toBeAllclose(numbers(text), { relative: 1e-6 });
    },
  );

  test('there are two', () => {
    expect(examples).toHaveLength(2);
  });
});
