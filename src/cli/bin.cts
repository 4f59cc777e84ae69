#!/usr/bin/env node
/**
 * The command line as it is installed. Images are decoded, and TensorFlow is waited for, on threads of Node's pool, of
 * which there are four unless the environment says otherwise before the first module is loaded: hence not a module.
 */
const os = process.getBuiltinModule('node:os');

/** Threads that wait for TensorFlow and for the disk. */
const waiting = 2;

process.env.UV_THREADPOOL_SIZE ??= String(os.availableParallelism() + waiting);
void import('./main.js');
