import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { expect, it } from 'vitest';
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
