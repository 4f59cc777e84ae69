import { UserError } from '../../src/base/errors.js';
import { fixtureKinds } from './fixture-kinds.js';
import { checkFolder } from './run.js';

/** `node tools/parity/main.js DIR`: checks every fixture of a folder against this implementation. */

process.exitCode = await main(process.argv.slice(2));

/** Prints a line a check and the totals. 0: all passed, 1: some failed, 2: not called as it should be. */
async function main(args: readonly string[]): Promise<number> {
  const [folder] = args;
  if (folder === undefined || args.length !== 1 || folder.startsWith('-')) {
    console.error('Usage: npm run parity -- DIR');
    return 2;
  }
  let passed = 0;
  let failed = 0;
  try {
    for await (const result of checkFolder(folder, fixtureKinds)) {
      if (result.passed) passed++;
      else failed++;
      const execution = result.execution === undefined ? '' : ` (${result.execution})`;
      console.log(
        `${result.passed ? 'ok    ' : 'FAILED'} ${result.file}: ${result.check}${execution}: ${result.text}`,
      );
    }
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    console.error(error.message);
    if (error.remedy !== undefined) console.error(error.remedy);
    failed++;
  }
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}
