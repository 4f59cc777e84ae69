#!/usr/bin/env node
import { runProgram } from './run-program.js';

await runProgram(async () => (await import('../stages/registry.js')).stageRegistry);
