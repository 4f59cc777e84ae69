import { appendFile, cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { afterEach, beforeEach, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'imports-'));
});

afterEach(() => rm(folder, { recursive: true }));

/** What `npm run lint:imports` says of a project of these modules. */
async function lint(modules: Readonly<Record<string, string>>) {
  for (const [path, program] of Object.entries(modules)) {
    await mkdir(join(folder, dirname(path)), { recursive: true });
    await writeFile(join(folder, path), program);
  }
  const depcruise = join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
  const config = ['--config', join(root, '.dependency-cruiser.mjs')];
  const { exitCode, stdout } = await execa(process.execPath, [depcruise, ...config, 'src'], {
    cwd: folder,
    reject: false,
  });
  return { exitCode, stdout, complaints: stdout.match(/(?<=error ).*/g)?.sort() ?? [] };
}

const allowed = {
  'src/cli/allowed.ts': `import { b } from '../nn/allowed.js';\nexport const a = b;\n`,
  'src/nn/allowed.ts': `import { c } from '../transport/allowed.js';\nexport const b = c;\n`,
  'src/transport/allowed.ts': `export const c = 1;\nexport type C = 1;\n`,
};

it('lint lets imports pass that point down or stay in their layer', async () => {
  expect(await lint(allowed)).toMatchObject({ exitCode: 0, complaints: [] });
});

it('lint fails on cycles and on upward imports, those of types included, and on folders without a layer', async () => {
  const { exitCode, complaints } = await lint({
    ...allowed,
    'src/nn/circle.ts': `import { b } from './other-half.js';\nexport const a = () => b;\n`,
    'src/nn/other-half.ts': `import { a } from './circle.js';\nexport const b = () => a;\n`,
    'src/nn/type.ts': `import type { B } from './other-type.js';\nexport interface A { b: B }\n`,
    'src/nn/other-type.ts': `import type { A } from './type.js';\nexport interface B { a: A }\n`,
    'src/nn/now.ts': `import type { B } from './later.js';\nexport interface A { b: B }\n`,
    'src/nn/later.ts': `export interface B { a: 1 }\nexport const b = () => import('./now.js');\n`,
    'src/data/up.ts': `import { a } from '../cli/allowed.js';\nexport const b = a;\n`,
    'src/data/type-up.ts': `import type { A } from '../stages/own.js';\nexport type B = A;\n`,
    'src/stages/own.ts': `export type A = 1;\n`,
    'src/odd/folder.ts': `import { c } from '../transport/allowed.js';\nexport const d = c;\n`,
    'src/stages/report/run.ts': `import { a } from '../sample/page.js';\nexport const b = a;\n`,
    'src/stages/sample/page.ts': `export const a = 1;\n`,
    'src/nn/lost.ts': `export { nothing } from './nowhere.js';\n`,
  });
  expect(exitCode).toBeGreaterThan(0);
  expect(complaints.map((line) => line.trim())).toEqual([
    'no-cycle: src/nn/circle.ts →',
    'no-cycle: src/nn/later.ts →',
    'no-cycle: src/nn/other-type.ts →',
    'no-layer: src/odd/folder.ts → src/transport/allowed.ts',
    'no-upward-import: src/data/type-up.ts → src/stages/own.ts',
    'no-upward-import: src/data/up.ts → src/cli/allowed.ts',
    'not-found: src/nn/lost.ts → ./nowhere.js',
    'report-knows-no-kind: src/stages/report/run.ts → src/stages/sample/page.ts',
  ]);
});

it('lint fails on an export and on a dependency that nothing uses', async () => {
  const folders = ['src', 'tools', 'test', 'editors', 'schemas', 'examples'];
  const parts = [...folders, 'package.json', 'knip.json', 'tsconfig.json'];
  const configs = ['vitest.config.ts', 'vitest.long.config.ts', 'vitest.gpu.config.ts', 'eslint.config.js'];
  for (const part of [...parts, ...configs])
    await cp(join(root, part), join(folder, part), {
      recursive: true,
      filter: (path) => !path.includes('/fixtures/'),
    });
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  await appendFile(join(folder, 'src/base/format.ts'), 'export const planted = 1;\n');
  const file = join(folder, 'package.json');
  const manifest = JSON.parse(await readFile(file, 'utf8')) as { dependencies: Record<string, string> };
  manifest.dependencies['planted-package'] = '1.0.0';
  await writeFile(file, JSON.stringify(manifest));
  const { stdout, exitCode } = await execa(process.execPath, [join(root, 'node_modules/knip/bin/knip.js')], {
    cwd: folder,
    reject: false,
  });
  expect(exitCode).toBeGreaterThan(0);
  expect(
    stdout
      .replace(/:\d+:\d+| +$/gm, '')
      .replace(/ +/g, ' ')
      .split('\n'),
  ).toEqual([
    'Unused dependencies (1)',
    'planted-package package.json',
    'Unused exports (1)',
    'planted src/base/format.ts',
  ]);
}, 120_000);
