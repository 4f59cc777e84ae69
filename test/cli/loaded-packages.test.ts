import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { expect, it } from 'vitest';
import { loadedModules } from '../support/loaded-modules.js';
import { nodeProgram } from '../support/programs.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const recipe = fileURLToPath(new URL('../../pipelines/quickstart.yaml', import.meta.url));
const preloaded = new URL('loaded-packages.mjs', import.meta.url).href;

it('checks, plans and lists runs with what that needs: nothing native, nothing that runs stages', async () => {
  const runs = await temporaryFolder('loaded');
  const loaded = async (...args: string[]) => {
    const program = ['--import', preloaded, ...nodeProgram('src/cli/main.ts'), ...args];
    const { exitCode, stderr } = await execa(process.execPath, program, { reject: false, cwd: runs });
    expect(exitCode, stderr).toBe(0);
    return JSON.parse(stderr) as string[];
  };
  // Of ajv and its dependency what the program that checks files calls, not what compiled that.
  const expected = ['ajv', 'commander', 'fast-deep-equal', 'fastest-levenshtein', 'yaml'];
  expect(await loaded('validate', recipe)).toEqual(expected);
  expect(await loaded('plan', recipe, '--runs', runs)).toEqual(expected);
  expect(await loaded('status', '--runs', runs)).toEqual(['commander', 'fastest-levenshtein']);
});

it('prints help from declarations, and loads neither runs nor models for it', async () => {
  const { loaded } = await loadedModules('src/cli/main.ts', ['--help']);
  const own = loaded.flatMap((path) => /^file:.*\/src\/(.*)[.]\w+$/.exec(path)?.[1] ?? []);
  expect(own.filter((path) => !/^(base|cli)\//.test(path)).sort()).toEqual([
    'distributed/worker',
    'runner/run/events',
    'transport/names',
  ]);
});
