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

/** Modules are opened many at a time. For want of a descriptor Node also says of what is there that it is not. */
function lacksDescriptors({ code, message }: NodeJS.ErrnoException): boolean {
  const [, kind, file = ''] = /^Cannot find (package|module) '(\/[^']+)'/.exec(message) ?? [];
  return (
    code === 'EMFILE' || fs.existsSync(kind === 'package' ? path.join(file, '..', 'package.json') : file)
  );
}
