import { type LoadedPipeline, loadPipeline as load, type LoadOptions as AllOptions } from '../runner/load.js';
import { type LoadedSweep, loadSweep as loadTrials } from '../runner/sweep/load.js';
import { pipelineRules as rules } from './registry.js';

export type LoadOptions = Omit<AllOptions, 'rules'>;

/**
 * Reads a pipeline file and what it extends, applies `--set` options and environment variables, checks it and fills in
 * defaults. Everything that is wrong is found at once, in the order of the files. Whether paths in it exist is for the
 * stages to say.
 */
export function loadPipeline(file: string, options: LoadOptions = {}): Promise<LoadedPipeline> {
  return load(file, { ...options, rules });
}

/** Reads a pipeline file as `loadPipeline` does, and every point of its `sweep`. */
export function loadSweep(file: string, options: LoadOptions = {}): Promise<LoadedSweep> {
  return loadTrials(file, { ...options, rules });
}
