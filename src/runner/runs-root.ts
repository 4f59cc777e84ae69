import { existsSync } from 'node:fs';
import { dirname, join, resolve, sep } from 'node:path';

/** The folder of all runs of a pipeline file, as `runsRootOf` finds it for the file's folder. */
export function findRunsRoot(
  pipelineFile: string,
  option: string | undefined,
  env?: NodeJS.ProcessEnv,
): string {
  return runsRootOf(dirname(resolve(pipelineFile)), option, env);
}

/**
 * The folder of all runs of the pipelines in a folder: what `--runs` says, else `PIPELINE_RUNS`, else `runs` in the project
 * (the nearest folder at or above it that has a package.json), else `runs` in the folder. Absolute. A recipe of an installed
 * package belongs to the project that installed it, or to the current folder: npm removes what it finds in a package.
 */
export function runsRootOf(
  beside: string,
  option: string | undefined,
  env: NodeJS.ProcessEnv = process.env,
): string {
  if (option !== undefined) return resolve(option);
  if (env.PIPELINE_RUNS) return resolve(env.PIPELINE_RUNS);
  for (let folder = beside; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json')) && !isInPackages(folder)) return join(folder, 'runs');
    if (folder === dirname(folder)) return isInPackages(beside) ? resolve('runs') : join(beside, 'runs');
  }
}

const isInPackages = (folder: string): boolean => folder.split(sep).includes('node_modules');
