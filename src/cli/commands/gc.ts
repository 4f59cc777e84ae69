import { dirname, join, resolve } from 'node:path';
import {
  findGarbage,
  findReferences,
  findRunsRoot,
  fingerprintsOfRuns,
  listRuns,
  removeGarbage,
  type Garbage,
} from '../../pipeline/index.js';
import { formatBytes } from '../../tensorflow/library/format-bytes.js';
import { shortPath } from '../paths.js';
import { exitCodes, type Services } from '../services.js';

export interface GcOptions {
  readonly yes?: boolean;
  readonly olderThan: number;
  readonly json?: boolean;
  readonly runs?: string;
}

/** `pipeline gc`: shows or removes what nothing refers to. Gives the exit code. */
export async function gc(files: readonly string[], options: GcOptions, services: Services): Promise<number> {
  const named = files.map((file) => resolve(file));
  const runsRoot = findRunsRoot(named[0] ?? join(process.cwd(), 'pipeline.yaml'), options.runs, services.env);
  const registry = await services.loadRegistry();
  const recipes = join(dirname(runsRoot), 'pipelines', '*.yaml');
  const { kept, notices } = await findReferences(
    await listRuns(runsRoot),
    [...named, recipes],
    runsRoot,
    registry,
  );
  const garbage = await findGarbage(runsRoot, { kept, youngerThanMs: options.olderThan * 3_600_000 });
  const { stdout, stderr } = services;
  if (options.json !== true) for (const notice of notices) stderr.write(`note: ${notice}\n`);
  const removed = options.yes === true ? await removeAll(runsRoot, garbage) : [];
  if (options.json === true) stdout.write(`${JSON.stringify({ garbage, removed, notices })}\n`);
  else stdout.write(summary(garbage, removed, options));
  return exitCodes.done;
}

/** What a run has begun to use since is left. */
async function removeAll(runsRoot: string, garbage: readonly Garbage[]): Promise<readonly Garbage[]> {
  const used = [...fingerprintsOfRuns(await listRuns(runsRoot))].map((fingerprint) =>
    fingerprint.slice(0, 16),
  );
  const removed: Garbage[] = [];
  for (const item of garbage) {
    const isUsed = item.what === 'output' && used.includes(item.key);
    if (!isUsed && (await removeGarbage(item))) removed.push(item);
  }
  return removed;
}

function summary(
  garbage: readonly Garbage[],
  removed: readonly Garbage[],
  { yes, olderThan }: GcOptions,
): string {
  if (garbage.length === 0)
    return `Nothing to remove: all is referred to, or changed within the last ${olderThan} h.\n`;
  const sizes = garbage.map(({ bytes }) => formatBytes(bytes));
  const width = Math.max(...sizes.map(({ length }) => length));
  const rows = garbage.map((item, i) => {
    const stays = yes === true && !removed.includes(item) ? ', in use: left' : '';
    return `${sizes[i]!.padStart(width)}  ${shortPath(item.path)} (${item.what}${stays})`;
  });
  const total = (items: readonly Garbage[]): string =>
    formatBytes(items.reduce((sum, { bytes }) => sum + bytes, 0));
  const end =
    yes === true
      ? `Removed ${removed.length} of ${garbage.length}: ${total(removed)} freed.`
      : `${total(garbage)} in ${garbage.length} ${garbage.length === 1 ? 'folder' : 'folders'} that no run, lock or pipeline file refers to; \`pipeline gc --yes\` removes them.`;
  return `${rows.join('\n')}\n\n${end}\n`;
}
