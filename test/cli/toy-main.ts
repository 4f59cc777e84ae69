import { runProgram } from '../../src/cli/run-cli.js';
import { toyRegistry } from '../runner/toy-kinds.js';

// The real command line over the toy stages: what the tests of long runs start as a process.

await runProgram(() => Promise.resolve(toyRegistry()));
