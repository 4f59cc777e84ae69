import { existsSync } from 'node:fs';
import { dirname, join, resolve, sep } from 'node:path';

/**
 * The folder of all runs: what `--runs` says, else `PIPELINE_RUNS`, else `runs` in the project of the pipeline file (the
 * nearest folder at or above it that has a package.json), else `runs` beside the file. Absolute. A recipe of an installed
 * package belongs to the project that installed it, or to the current folder: npm removes what it finds in a package.
 */
export function findRunsRoot(
  pipelineFile: string,
  option: string | undefined,
  env: NodeJS.ProcessEnv = process.env,
): string {
  if (option !== undefined) return resolve(option);
  if (env.PIPELINE_RUNS) return resolve(env.PIPELINE_RUNS);
  const beside = dirname(resolve(pipelineFile));
  for (let folder = beside; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json')) && !isInPackages(folder)) return join(folder, 'runs');
    if (folder === dirname(folder)) return isInPackages(beside) ? resolve('runs') : join(beside, 'runs');
  }
}

const isInPackages = (folder: string): boolean => folder.split(sep).includes('node_modules');
