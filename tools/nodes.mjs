/** `npm run test:nodes -- [FILES]`: the tests, or those of some files, on each version of Node that is supported. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const versions = ['20', '22', '24'];
const vitest = fileURLToPath(new URL('../node_modules/vitest/vitest.mjs', import.meta.url));
const failed = versions.filter((version) => {
  console.log(`Node ${version}`);
  const run = ['exec', '--yes', `--package=node@${version}`, '--', 'node', vitest, 'run'];
  return spawnSync('npm', [...run, ...process.argv.slice(2)], { stdio: 'inherit' }).status !== 0;
});
if (failed.length > 0) {
  console.error(`Failed on Node ${failed.join(', ')}.`);
  process.exitCode = 1;
}
