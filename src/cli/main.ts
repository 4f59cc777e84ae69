#!/usr/bin/env node
import { once } from 'node:events';
import { runCli } from './cli.js';

for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // The reader, such as `head`, has had enough.
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });

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
