import { cp, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

it('scaffolds a kind of stage that type checks, passes its test and runs', async () => {
  const copy = await temporaryFolder('scaffold');
  const parts = [
    'src',
    'schemas',
    'editors/vscode/src',
    'tools/new.ts',
    'test/support',
    'docs/reference',
    'docs/caching.md',
    'package.json',
  ];
  for (const part of [...parts, 'tsconfig.json', '.prettierrc.json'])
    await cp(join(root, part), join(copy, part), { recursive: true });
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
  const here = { cwd: copy, preferLocal: true, localDir: root, reject: false, all: true } as const;
  const made = await execa('tsx', ['tools/new.ts', 'stage', 'tally'], here);
  expect(made.exitCode, made.all).toBe(0);
  const again = await execa('tsx', ['tools/new.ts', 'stage', 'tally'], here);
  expect([again.exitCode, again.all]).toEqual([2, expect.stringContaining('There is a stage kind tally')]);

  const schema = await readFile(join(copy, 'schemas', 'pipeline.schema.json'), 'utf8');
  expect(schema).toContain('"$ref": "stages/tally.schema.json"');
  expect(await readFile(join(copy, 'docs', 'reference', 'tally.md'), 'utf8')).toContain('`count`');
  const include = ['src', 'test/stages/tally.test.ts'];
  const config = { extends: './tsconfig.json', compilerOptions: { noEmit: true, rootDir: '.' }, include };
  await writeFile(join(copy, 'tsconfig.check.json'), JSON.stringify(config));
  const compiler = 'node_modules/typescript-native/bin/tsc';
  const checked = await execa('node', [compiler, '-p', 'tsconfig.check.json'], here);
  expect(checked.exitCode, checked.all).toBe(0);

  const tested = await execa('vitest', ['run', 'test/stages/tally.test.ts'], here);
  expect(tested.exitCode, tested.all).toBe(0);

  const pipeline = 'name: tallies\nstages:\n  numbers: { uses: tally, count: 6, by: 2 }\n';
  await writeFile(join(copy, 'tallies.yaml'), pipeline);
  const ran = await execa('tsx', ['src/cli/main.ts', 'run', 'tallies.yaml', '--runs', 'runs'], here);
  expect(ran.exitCode, ran.all).toBe(0);
  expect(ran.all).toMatch(/numbers: finished .*numbers 3/);
  await writeFile(join(copy, 'tallies.yaml'), pipeline.replace('by: 2', 'by: 7'));
  const refused = await execa('tsx', ['src/cli/main.ts', 'validate', 'tallies.yaml'], here);
  expect([refused.exitCode, refused.all]).toEqual([
    2,
    expect.stringContaining('tallies.yaml:3:41 error out-of-range'),
  ]);
}, 120_000);
