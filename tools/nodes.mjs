/**
 * `npm run test:nodes -- [--node=VERSION] [FILES]`: the tests, or those of some files, on each version of Node that is
 * supported, or on one of them.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const supported = ['20', '22', '24'];
const choice = /^--node=/;
const [chosen, files] = [true, false].map((is) =>
  process.argv.slice(2).filter((each) => choice.test(each) === is),
);
const versions = chosen.length > 0 ? chosen.map((each) => each.replace(choice, '')) : supported;
const unknown = versions.filter((version) => !supported.includes(version));
if (unknown.length > 0) {
  console.error(`Node ${unknown.join(', ')} is not supported: --node takes ${supported.join(', ')}.`);
  process.exit(2);
}
const vitest = fileURLToPath(new URL('../node_modules/vitest/vitest.mjs', import.meta.url));

/** Arguments of npm that run a program on a version of Node: its package for this platform has no script to install. */
const on = (version, ...program) => [
  ...['exec', '--yes', `--package=node-${process.platform}-${process.arch}@${version}`, '--', 'node'],
  ...program,
];

const failed = versions.filter((version) => {
  const found = spawnSync('npm', on(version, '--version'), { encoding: 'utf8' });
  const running = found.stdout.trim();
  console.log(`Node ${running || version}`);
  // Where the package has no program, npm runs the Node that is installed.
  if (!running.startsWith(`v${version}.`)) {
    console.error(`Node ${version} could not be fetched. ${found.stderr.trim()}`);
    return true;
  }
  const { status } = spawnSync('npm', on(version, vitest, 'run', ...files), {
    stdio: 'inherit',
  });
  return status !== 0;
});
if (failed.length > 0) {
  console.error(`Failed on Node ${failed.join(', ')}.`);
  process.exitCode = 1;
}
