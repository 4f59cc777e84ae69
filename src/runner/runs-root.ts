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
 * The folder of all runs of the pipelines in a folder: what `--runs` says, else `PIPELINE_RUNS`, else `runs` in the project,
 * else `runs` in the folder. Absolute.
 */
export function runsRootOf(
  beside: string,
  option: string | undefined,
  env: NodeJS.ProcessEnv = process.env,
): string {
  if (option !== undefined) return resolve(option);
  if (env.PIPELINE_RUNS) return resolve(env.PIPELINE_RUNS);
  return join(projectOf(beside), 'runs');
}

/**
 * The project of a folder: the nearest one at or above it that has a package.json, else the folder. A recipe of an installed
 * package belongs to the project that installed it, or to the current folder: npm removes what it finds in a package.
 */
function projectOf(beside: string): string {
  for (let folder = beside; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json')) && !isInPackages(folder)) return folder;
    if (folder === dirname(folder)) return isInPackages(beside) ? process.cwd() : beside;
  }
}

/** The folder for what is kept beside a pipeline file: its own; of a recipe of an installed package, that of its project. */
export function folderBeside(pipelineFile: string): string {
  const own = dirname(resolve(pipelineFile));
  return isInPackages(own) ? projectOf(own) : own;
}

const isInPackages = (folder: string): boolean => folder.split(sep).includes('node_modules');
