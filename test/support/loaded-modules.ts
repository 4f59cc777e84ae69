import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa, type Options } from 'execa';
import { nodeProgram } from './programs.js';

const recorder = new URL('record-modules.mjs', import.meta.url).href;

/** Runs a program, as `nodeProgram` has it, to its end; gives what it printed and every module and shared library that it loaded. */
export async function loadedModules(
  program: string,
  args: readonly string[],
  options: Options = {},
): Promise<{ readonly stdout: string; readonly loaded: readonly string[] }> {
  const folder = await mkdtemp(join(tmpdir(), 'modules-'));
  const file = join(folder, 'loaded');
  try {
    const { stdout } = await execa(
      process.execPath,
      ['--import', recorder, ...nodeProgram(program), ...args],
      {
        ...options,
        env: { ...options.env, RECORD_MODULES: file },
      },
    );
    return { stdout: String(stdout), loaded: (await readFile(file, 'utf8')).trim().split('\n') };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Which of what a process loaded belongs to the packages that computing needs. */
export function computing(loaded: readonly string[]): readonly string[] {
  return loaded.filter((path) => /node_modules\/(@tensorflow|koffi|sharp)\b|libtensorflow/.test(path));
}
