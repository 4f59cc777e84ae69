#!/usr/bin/env node
/**
 * The command line as it is installed. Images are decoded, and TensorFlow is waited for, on threads of Node's pool, of
 * which there are four unless the environment says otherwise before the first module is loaded: hence not a module.
 */
const fs = process.getBuiltinModule('node:fs');
const path = process.getBuiltinModule('node:path');
const os = process.getBuiltinModule('node:os');

/** Threads that wait for TensorFlow and for the disk. */
const waiting = 2;

process.env.UV_THREADPOOL_SIZE ??= String(os.availableParallelism() + waiting);

import('./main.js').catch((error: unknown) => {
  if (!(error instanceof Error && lacksDescriptors(error))) throw error;
  process.stderr.write(
    'error: too many files are open to load the program.\n  Raise the limit with `ulimit -n 65536`, then run again.\n',
  );
  process.exitCode = 1;
});

/**
 * Tells the want of a descriptor from other reasons. Node 20 opens modules many at a time, and then also says of what is
 * there that it is not; Node 24 says of a package that its configuration is invalid, and only the words give the reason.
 */
function lacksDescriptors({ message }: Error): boolean {
  const [, kind, file = ''] = /^Cannot find (package|module) '(\/[^']+)'/.exec(message) ?? [];
  return (
    message.includes('too many open files') ||
    fs.existsSync(kind === 'package' ? path.join(file, '..', 'package.json') : file)
  );
}
