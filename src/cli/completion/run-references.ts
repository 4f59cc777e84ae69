import { join } from 'node:path';
import { listRuns } from '../../pipeline/runs/list-runs.js';
import { findRunsRoot } from '../../pipeline/runs-root.js';
import { shortIds } from '../run-lines.js';
import type { Candidate } from './parse.js';

/** Every run, pipelines by name, and `latest`. */
export async function runReferences(env: NodeJS.ProcessEnv): Promise<readonly Candidate[]> {
  const runs = await listRuns(findRunsRoot(join(process.cwd(), 'pipeline.yaml'), undefined, env));
  if (runs.length === 0) return [];
  const names = [...new Set(runs.map(({ record }) => record.pipeline))];
  const ids = shortIds(runs);
  return [
    { value: 'latest', description: 'the latest of all' },
    ...names.map((value) => ({ value, description: 'its latest run' })),
    ...runs.toReversed().map((run) => ({ value: ids.get(run)!, description: run.state })),
  ];
}
