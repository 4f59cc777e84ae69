import { cp, symlink } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { execa } from 'execa';

const root = fileURLToPath(new URL('../../', import.meta.url));
const variable = 'PIPELINE_TEST_PROGRAMS';

/**
 * Compiles the sources and the tests' programs into an empty folder, from which {@link nodeProgram} starts them from then
 * on, here and in every process started from here: they start in half the time, as nothing is compiled on the way.
 */
export async function compilePrograms(folder: string): Promise<void> {
  await build({
    absWorkingDir: root,
    entryPoints: ['src/**/*.ts', 'tools/**/*.ts', 'test/**/*.ts'],
    outbase: root,
    outdir: folder,
    format: 'esm',
    platform: 'node',
    sourcemap: 'inline',
    sourcesContent: false,
    logLevel: 'error',
  });
  await cp(join(root, 'package.json'), join(folder, 'package.json'));
  for (const name of ['node_modules', 'schemas', 'tools/bundle-playground.mjs'])
    await symlink(join(root, name), join(folder, name));
  await execa(process.execPath, [join(root, 'tools/copy-assets.mjs'), join(folder, 'src')]);
  await execa(process.execPath, [join(folder, 'src/runner/schema/write-validator.js')]);
  process.env[variable] = folder;
}

/**
 * Arguments with which Node starts a TypeScript program of this project: compiled, or where that was not done, by tsx.
 *
 * @param path of the program, or from the root of the project
 */
export function nodeProgram(path: string | URL): string[] {
  const program = relative(root, path instanceof URL ? fileURLToPath(path) : join(root, path));
  const compiled = process.env[variable];
  return compiled === undefined
    ? ['--import', import.meta.resolve('tsx'), join(root, program)]
    : [join(compiled, program.replace(/\.ts$/, '.js'))];
}
