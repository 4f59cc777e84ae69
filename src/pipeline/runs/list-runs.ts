import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { readRun, type Run } from './run.js';

/** Every run in the folder of runs, oldest first. Of one that is over, one small file is read. */
export async function listRuns(runsRoot: string): Promise<readonly Run[]> {
  const now = new Date();
  const runs = await Promise.all((await runFolders(runsRoot)).map((directory) => readRun(directory, now)));
  return runs
    .filter((run) => run !== undefined)
    .sort((a, b) => compareText(a.record.startedAt, b.record.startedAt) || compareText(a.id, b.id));
}

/** Absolute paths of all folders that may be a run's: `NAME/TIME`. */
async function runFolders(runsRoot: string): Promise<readonly string[]> {
  const pipelines = (await foldersIn(runsRoot)).filter((name) => name !== 'store');
  const folders = await Promise.all(
    pipelines.map(async (name) => {
      const parent = join(runsRoot, name);
      return (await foldersIn(parent)).map((run) => join(parent, run));
    }),
  );
  return folders.flat();
}

/** Names of folders, links left out; none where there is no such folder. */
async function foldersIn(path: string): Promise<readonly string[]> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .map(({ name }) => name);
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
