#!/usr/bin/env node
import { once } from 'node:events';
import { endWhenUnread } from './broken-pipe.js';
import { runCli } from './cli.js';

endWhenUnread([process.stdout, process.stderr]);

const exitCode = await runCli(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  loadRegistry: async () => (await import('../stages/registry.js')).stageRegistry,
  forceExit: (code) => process.exit(code),
});
for (const stream of [process.stdout, process.stderr])
  if (stream.writableNeedDrain) await once(stream, 'drain');
process.exit(exitCode);
