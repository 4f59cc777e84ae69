import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

// tfjs-node-gpu's kernels call these two, which Node 22 warns of and Node 23 removed.
const util = require('node:util') as Record<string, unknown>;
util.isNullOrUndefined = (value: unknown) => value === null || value === undefined;
util.isArray = Array.isArray;

/** The one instance of tfjs. Use it through `index.ts`, which also sets up its backend. */
export const tf = require('@tensorflow/tfjs') as typeof import('@tensorflow/tfjs');
