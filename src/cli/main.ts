#!/usr/bin/env node
import { runProgram } from './run-cli.js';

await runProgram(async () => (await import('../stages/registry.js')).stageRegistry);
