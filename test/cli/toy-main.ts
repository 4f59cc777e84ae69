// The real command line over the toy stages: what the tests of long runs start as a process.
import { endWhenUnread } from '../../src/cli/broken-pipe.js';
import { runCli } from '../../src/cli/cli.js';
import { toyRegistry } from '../pipeline/toy-kinds.js';

endWhenUnread([process.stdout, process.stderr]);
process.exit(
  await runCli(process.argv.slice(2), {
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    loadRegistry: () => Promise.resolve(toyRegistry()),
    forceExit: (code) => process.exit(code),
  }),
);
