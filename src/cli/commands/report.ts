import { join, resolve } from 'node:path';
import { writeFileWhole } from '../../base/output-file.js';
import { runsRootOf } from '../../runner/runs-root.js';
import { findRun, listRuns } from '../../runner/runs/find-runs.js';
import { runPage } from '../../ui/pages/run-page.js';
import { exitCodes, say, type Services, shortPath } from '../services.js';

export interface ReportOptions {
  readonly output?: string;
  readonly runs?: string;
}

/** `pipeline report`: writes the page about a run. Gives the exit code. */
export async function report(reference: string, options: ReportOptions, services: Services): Promise<number> {
  const runsRoot = runsRootOf(process.cwd(), options.runs, services.env);
  const run = findRun(reference, await listRuns(runsRoot));
  const path = options.output === undefined ? join(run.directory, 'run.html') : resolve(options.output);
  await writeFileWhole(path, await runPage(run));
  say(services.stdout, `Report: ${shortPath(path)}\n`);
  return exitCodes.done;
}
