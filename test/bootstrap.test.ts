import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
let clone: string;

/** Prints its arguments; what a program of the project would do is not the bootstrap's business. */
const echo = (name: string) => `console.log('${name}', ...process.argv.slice(2));\nexport {};\n`;

/** Stands in for npm: leaves the record that npm leaves. */
const installed = `require('node:fs').copyFileSync('package-lock.json', 'node_modules/.package-lock.json');\n`;

function write(path: string, content: string): void {
  mkdirSync(dirname(join(clone, path)), { recursive: true });
  writeFileSync(join(clone, path), content);
}

/** A small project in a folder with a space in its name, with packages as npm leaves them. */
beforeEach(() => {
  clone = mkdtempSync(join(tmpdir(), 'a clone '));
  const lock = JSON.stringify({ packages: { 'node_modules/typescript-native': { version: '1.2.3' } } });
  const compilerOptions = { module: 'NodeNext', rootDir: 'src', outDir: 'dist', lib: ['ES2022'], types: [] };
  write('package.json', JSON.stringify({ engines: { node: '>=20.19' } }));
  write('package-lock.json', lock);
  write('node_modules/.package-lock.json', lock);
  write('tsconfig.json', JSON.stringify({ compilerOptions, include: ['src'] }));
  for (const path of ['tools/bootstrap.mjs', 'tools/copy-assets.mjs'])
    write(path, readFileSync(join(root, path), 'utf8'));
  write(
    'src/globals.d.ts',
    'declare const process: any;\ndeclare const console: any;\ndeclare const setInterval: any;\n',
  );
  write('src/tensorflow/install/main.ts', echo('library'));
  write('src/cli/bin.cts', echo('pipeline'));
  write('tools/bundle-playground.mjs', '');
  write('src/runner/schema/write-validator.ts', 'export {};');
  write('schemas/pipeline.schema.json', '{}');
  write('node_modules/vitest/vitest.mjs', echo('vitest'));
  symlinkSync(join(root, 'node_modules/typescript-native'), join(clone, 'node_modules/typescript-native'));
});

afterEach(() => {
  rmSync(clone, { recursive: true });
});

function bootstrap(...args: string[]) {
  const env = { npm_execpath: join(clone, 'npm-cli.js') };
  return execa(process.execPath, [join(clone, 'tools/bootstrap.mjs'), ...args], {
    cwd: '/',
    env,
    reject: false,
  });
}

const lines = ({ stdout }: { stdout: string }) =>
  stdout.split('\n').map((line) => line.replace(/ \d+ s$/, ' … s'));

it('compiles, sets the library up and runs the quickstart', async () => {
  expect(lines(await bootstrap('quickstart', '--set', 'a=b c'))).toEqual([
    'Compiling: done in … s',
    'library --quiet',
    'pipeline run pipelines/quickstart.yaml --set a=b c',
  ]);
});

it('does not compile a second time, until a source changes', async () => {
  await bootstrap('setup');
  expect(lines(await bootstrap('setup', '--gpu'))).toEqual(['library --gpu']);
  write('src/tensorflow/install/main.ts', echo('new library'));
  expect(lines(await bootstrap('setup'))).toEqual(['Compiling: done in … s', 'new library']);
});

it('brings along what is not compiled, as it is after a change', async () => {
  write('src/pages/assets/page.css', 'a {}');
  await bootstrap('setup');
  expect(readFileSync(join(clone, 'dist/pages/assets/page.css'), 'utf8')).toBe('a {}');
  write('src/pages/assets/page.css', 'b { }');
  expect(lines(await bootstrap('setup'))).toEqual(['Compiling: done in … s', 'library']);
  expect(readFileSync(join(clone, 'dist/pages/assets/page.css'), 'utf8')).toBe('b { }');
});

it('leaves nothing of a source that is gone', async () => {
  write('src/old.ts', 'export {};');
  await bootstrap('setup');
  expect(existsSync(join(clone, 'dist/old.js'))).toBe(true);
  rmSync(join(clone, 'src/old.ts'));
  await bootstrap('setup');
  expect(existsSync(join(clone, 'dist/old.js'))).toBe(false);
  expect(existsSync(join(clone, 'dist/cli/bin.cjs'))).toBe(true);
});

it('compiles once when started twice at the same time', async () => {
  const results = await Promise.all([bootstrap('setup'), bootstrap('setup')]);
  const all = results.flatMap(lines);
  expect(all.filter((line) => line.startsWith('Compiling'))).toHaveLength(1);
  expect(all.filter((line) => line.startsWith('library'))).toHaveLength(2);
});

it('does not wait for one that died', async () => {
  write('dist/.bootstrap.lock', '999999999');
  expect(lines(await bootstrap('setup'))).toEqual(['Compiling: done in … s', 'library']);
});

it('passes the exit code of what it runs', async () => {
  write('node_modules/vitest/vitest.mjs', 'process.exitCode = 7;');
  expect((await bootstrap('test')).exitCode).toBe(7);
});

it('passes signals to what it runs, and waits for its end', async () => {
  write(
    'src/cli/bin.cts',
    `process.on('SIGTERM', () => process.exit(9));\nsetInterval(() => {}, 1000);\nconsole.log('ready');\nexport {};\n`,
  );
  const running = bootstrap('quickstart');
  await new Promise<void>((resolve) => {
    running.stdout.on('data', (chunk: Buffer) => {
      if (chunk.includes('ready')) resolve();
    });
  });
  running.kill('SIGTERM');
  expect((await running).exitCode).toBe(9);
});

describe('failing', () => {
  it('shows why the sources do not compile, and ends a test run with its result', async () => {
    write('src/wrong.ts', 'export const wrong: number = "text";');
    const { exitCode, stdout, stderr } = await bootstrap('test');
    expect(exitCode).toBe(1);
    expect(stderr).toContain('src/wrong.ts(1,14): error TS2322');
    expect(stdout.split('\n').at(-1)).toBe('0 passed, 1 failed');
  });

  it('names the Node that is needed', async () => {
    write('package.json', JSON.stringify({ engines: { node: '>=99.1' } }));
    const { exitCode, stderr } = await bootstrap('setup');
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`This is Node ${process.versions.node}`);
    expect(stderr).toContain('expected 99.1 or newer');
    expect(stderr.split('\n')).toHaveLength(2);
  });

  it('says which commands there are', async () => {
    const { exitCode, stderr } = await bootstrap('tset');
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/^Usage: .* setup \| quickstart \| test/);
  });
});

describe('packages', () => {
  it.each([
    ['a package is missing', { 'node_modules/absent': { version: '1.0.0' } }],
    ['a package has another version', { 'node_modules/typescript-native': { version: '1.2.4' } }],
    [
      'the binary for this platform is missing',
      {
        'node_modules/binary': {
          version: '1.0.0',
          optional: true,
          os: [process.platform],
          cpu: [process.arch],
        },
      },
    ],
  ])('are installed when %s', async (_, packages) => {
    write('package-lock.json', JSON.stringify({ packages }));
    write('npm-cli.js', installed);
    expect(lines(await bootstrap('setup'))).toEqual([
      'Installing packages: done in … s',
      'Compiling: done in … s',
      'library',
    ]);
    expect(lines(await bootstrap('setup'))).toEqual(['library']);
  });

  it('are asked for again when the network failed', async () => {
    rmSync(join(clone, 'node_modules/.package-lock.json'));
    const failsOnce = `const { existsSync, writeFileSync } = require('node:fs');
if (!existsSync('failed')) {
  writeFileSync('failed', '');
  console.error('npm error code ECONNRESET');
  process.exit(1);
}\n`;
    write('npm-cli.js', failsOnce + installed);
    expect((await bootstrap('setup')).stdout).toContain('Installing packages: done');
  });

  it('that cannot be installed are an error with what npm says, without its stack', async () => {
    rmSync(join(clone, 'node_modules/.package-lock.json'));
    write(
      'npm-cli.js',
      `console.error('npm error code E404\\nnpm error 404 not found\\nnpm error     at a.js:1:2'); process.exitCode = 1;`,
    );
    const { exitCode, stderr } = await bootstrap('setup');
    expect(exitCode).toBe(1);
    expect(stderr.split('\n').slice(0, 3)).toEqual([
      `npm could not install the packages of ${clone}:`,
      'npm error code E404',
      'npm error 404 not found',
    ]);
    expect(stderr).not.toContain('a.js');
  });

  it('for other platforms are not waited for', async () => {
    const packages = {
      'node_modules/typescript-native': { version: '1.2.3' },
      'node_modules/other': { version: '1.0.0', optional: true, os: ['aix'], cpu: ['ppc64'] },
      'node_modules/helper-of-other': { version: '1.0.0', optional: true },
    };
    write('package-lock.json', JSON.stringify({ packages }));
    expect(lines(await bootstrap('setup')).at(-1)).toBe('library');
  });
});
