import { createRequire } from 'node:module';
import { availableParallelism, cpus } from 'node:os';
import { chooseEngine } from '../tensorflow/engine-choice.js';
import { libraryFacts } from '../tensorflow/install/facts.js';
import type { RuntimeConfig } from './stage.js';

/** Versions and machine with which an output was made, as far as they may matter to who makes it again. */
export interface Environment {
  /** Version of this program. */
  readonly program: string;
  /** Version of the native library, or `none` where it does not compute. */
  readonly tensorflow: string;
  /** Major version of Node, on which no number of the native library depends. */
  readonly node: number;
  /** Operating system and architecture, such as `linux-x64`. */
  readonly platform: string;
  /** Build of the native library that computes, or `wasm`. */
  readonly build: string;
  /** The processor's name. Different ones may round differently. */
  readonly processor: string;
  /** Computing threads of a worker. */
  readonly threads: number;
  /** Data-parallel workers. */
  readonly workers: number;
}

/**
 * Keys of an environment that have to be equal for outputs to be; the others may change the last bit of rounding. Node is
 * in neither list: its version has changed no output so far, nor how long one takes.
 */
export const versionKeys = ['program', 'tensorflow', 'platform'] as const;
export const roundingKeys = ['build', 'processor', 'threads', 'workers'] as const;

let fixed: Omit<Environment, 'threads' | 'workers'> | undefined;

/** The environment of this process. */
export function environment({ threads, workers }: Pick<RuntimeConfig, 'threads' | 'workers'>): Environment {
  fixed ??= gather();
  return { ...fixed, threads: threads === 0 ? availableParallelism() : threads, workers };
}

function gather(): Omit<Environment, 'threads' | 'workers'> {
  const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };
  const found = chooseEngine().kind === 'native' ? libraryFacts().found : undefined;
  return {
    program: version,
    tensorflow: found?.version ?? 'none',
    node: Number(process.versions.node.split('.')[0]),
    platform: `${process.platform}-${process.arch}`,
    build: found?.build ?? 'wasm',
    processor: cpus()[0]?.model.trim() ?? 'unknown',
  };
}
