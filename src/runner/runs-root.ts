import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/**
 * The folder of all runs: what `--runs` says, else `PIPELINE_RUNS`, else `runs` in the project of the pipeline file (the
 * nearest folder at or above it that has a package.json), else `runs` beside the file. Absolute.
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
    if (existsSync(join(folder, 'package.json'))) return join(folder, 'runs');
    if (folder === dirname(folder)) return join(beside, 'runs');
  }
}
