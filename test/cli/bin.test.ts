import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.js';

/** A program in the command line's place that keeps many threads busy, if there are any, and counts the pool's. */
const program = `
import { pbkdf2 } from 'node:crypto';
import { readdirSync } from 'node:fs';
for (let i = 0; i < 64; i++) pbkdf2('a', 'b', 1000, 64, 'sha512', () => {});
console.log(readdirSync("/proc/self/task").length, ...process.argv.slice(2));
`;

/** A folder with the program `bin.cjs` that loads `main`. */
async function folderWith(main: string): Promise<string> {
  const folder = await temporaryFolder('bin');
  await build({
    entryPoints: [fileURLToPath(new URL('../../src/cli/bin.cts', import.meta.url))],
    ...{ outfile: join(folder, 'bin.cjs'), format: 'cjs', platform: 'node', bundle: false },
  });
  await writeFile(join(folder, 'main.js'), main);
  await writeFile(join(folder, 'package.json'), '{"type":"module"}');
  return folder;
}

it('gives Node a thread for each core, and some that wait', async ({ skip }) => {
  if (!existsSync('/proc/self/task')) skip('this system has no /proc/self/task');
  const outfile = join(await folderWith(program), 'bin.cjs');
  const threads = async (env: Record<string, string>) => {
    const { stdout } = await execa(process.execPath, [outfile, 'a', 'b'], { env });
    const [count, ...args] = stdout.split(' ');
    expect(args).toEqual(['a', 'b']);
    return Number(count);
  };
  const few = await threads({ UV_THREADPOOL_SIZE: '1' });
  expect((await threads({})) - few).toBe(availableParallelism() + 2 - 1);
  expect((await threads({ UV_THREADPOOL_SIZE: '9' })) - few).toBe(9 - 1);
});

it('says without a stack that its modules cannot be opened, and shows any other reason', async () => {
  const names = Array.from({ length: 200 }, (_, i) => `part${i}.js`);
  const parts = names.map((name) => `import './${name}';`).join('\n');
  const folder = await folderWith('');
  for (const name of names) await writeFile(join(folder, name), '');
  await writeFile(join(folder, 'parts.js'), parts);
  const library = join(folder, 'node_modules', 'library');
  await mkdir(library, { recursive: true });
  await writeFile(join(library, 'package.json'), '{"main":"index.js"}');
  await writeFile(join(library, 'index.js'), '');
  const load = async (main: string) => {
    await writeFile(join(folder, 'main.js'), main);
    return execa('sh', ['-c', 'ulimit -n 40; exec "$@"', 'sh', process.execPath, join(folder, 'bin.cjs')], {
      reject: false,
    });
  };
  const told = {
    exitCode: 1,
    stderr:
      'error: too many files are open to load the program.\n  Raise the limit with `ulimit -n 65536`, then run again.',
  };
  const whenAllAreTaken = (imported: string) => `
    import { openSync } from 'node:fs';
    try { for (;;) openSync('/dev/null'); } catch {}
    await import('${imported}');`;
  expect(await load(whenAllAreTaken('./parts.js'))).toMatchObject(told);
  expect(await load(whenAllAreTaken('library'))).toMatchObject(told);
  // Later versions of Node open one module at a time.
  const [major] = process.versions.node.split('.').map(Number);
  expect(await load(parts)).toMatchObject(major! < 22 ? told : { exitCode: 0, stderr: '' });
  expect(await load("import './absent.js';")).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining('ERR_MODULE_NOT_FOUND') as string,
  });
});

describe.skipIf(!existsSync('/proc/self/limits'))('where the address space is limited', () => {
  /** Runs a program of this repository's modules under a limit in kB. */
  const limited = async (kilobytes: number, program: string) => {
    const folder = await temporaryFolder('limited');
    const outfile = join(folder, 'program.mjs');
    await build({
      stdin: {
        contents: program,
        resolveDir: fileURLToPath(new URL('../..', import.meta.url)),
        loader: 'ts',
      },
      ...{ outfile, format: 'esm', platform: 'node', bundle: true, packages: 'external' },
    });
    return execa('sh', ['-c', `ulimit -v ${kilobytes}; exec "$@"`, 'sh', process.execPath, outfile], {
      reject: false,
    });
  };

  it('what fetches nothing goes on though the HTTP client finds no room, and any other failure ends it', async () => {
    const program = (then: string) => `
      import { outliveMissingParser } from './src/base/outlive-output.js';
      outliveMissingParser();
      new Headers();
      setTimeout(() => { ${then} }, 500);`;
    expect(await limited(6_000_000, program("console.log('went on')"))).toMatchObject({
      exitCode: 0,
      stdout: 'went on',
      stderr: '',
    });
    expect(await limited(6_000_000, program("void Promise.reject(new Error('ours'))"))).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('Error: ours') as string,
    });
  });

  it('what computes is refused in words before the library is loaded', async () => {
    const program = `
      import { requireAddressSpace } from './src/tensorflow/out-of-memory.js';
      try { requireAddressSpace(); console.log('enough'); } catch (error) { console.log(error.code, error.message); }`;
    expect((await limited(1_500_000, program)).stdout).toMatch(
      /^address-space-limited The address space of this process is limited to 1\.5 GB, of which (\d+ MB|1\.\d GB) are taken;/,
    );
    expect((await limited(8_000_000, program)).stdout).toBe('enough');
  });
});
