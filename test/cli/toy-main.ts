// The real command line over the toy stages: what the tests of long runs start as a process.
import { runProgram } from '../../src/cli/program.js';
import { toyRegistry } from '../pipeline/toy-kinds.js';

await runProgram(() => Promise.resolve(toyRegistry()));
