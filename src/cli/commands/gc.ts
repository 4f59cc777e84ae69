import { dirname, join, resolve } from 'node:path';
import { UserError } from '../../base/errors.js';
import { counted, formatBytes } from '../../base/format.js';
import { findGarbage, findReferences, fingerprintsOfRuns, removeGarbage } from '../../runner/gc.js';
import type { Garbage } from '../../runner/gc.js';
import { forgetFiles } from '../../runner/gc/known-files.js';
import type { Leftover } from '../../runner/remote/remote.js';
import { runsRootOf } from '../../runner/runs-root.js';
import { scanRuns } from '../../runner/runs/find-runs.js';
import { formatFailure } from '../errors.js';
import { loadWithSources } from '../load.js';
import { exitCodes, say, type Services, shortPath, usesColor } from '../services.js';
import { withRemote } from './remote.js';

export interface GcOptions {
  readonly yes?: boolean;
  readonly olderThan: number;
  readonly json?: boolean;
  readonly forget?: readonly string[];
  readonly runs?: string;
  readonly remote?: string;
}

/**
 * `pipeline gc`: shows or removes what nothing refers to; all is kept where what refers to it is not known. Gives the exit
 * code.
 */
export async function gc(files: readonly string[], options: GcOptions, services: Services): Promise<number> {
  const { stdout, stderr, env } = services;
  if (options.remote !== undefined) return gcRemote(options.remote, files, options, services);
  const named = files.map((file) => resolve(file));
  const here = process.cwd();
  const runsRoot = runsRootOf(named[0] === undefined ? here : dirname(named[0]), options.runs, env);
  const forgotten = (options.forget ?? []).map((file) => resolve(file));
  const loaded = await Promise.all(named.map((file) => loadWithSources(file, [], services)));
  if (loaded.includes(undefined)) return exitCodes.invalid;
  if (forgotten.length > 0) await forgetFiles(runsRoot, forgotten);
  const projects = [here, dirname(runsRoot), dirname(runsRootOf(here, undefined, {}))];
  const { kept, unknown } = await findReferences({
    runsRoot,
    registry: await services.loadRegistry(),
    scan: await scanRuns(runsRoot, true),
    named,
    folders: projects.flatMap((folder) => [folder, join(folder, 'pipelines')]),
  });
  const isKnown = unknown.length === 0;
  const garbage = isKnown
    ? await findGarbage(runsRoot, { kept, youngerThanMs: options.olderThan * 3_600_000 })
    : [];
  const removed = options.yes === true ? await removeAll(runsRoot, garbage) : [];
  if (options.json === true) {
    const errors = unknown.map(({ code, message, remedy }) => ({ code, message, remedy }));
    stdout.write(`${JSON.stringify({ garbage, removed, errors })}\n`);
  } else {
    for (const { message, remedy } of unknown)
      say(
        stderr,
        formatFailure({ message, ...(remedy !== undefined && { remedy }) }, usesColor(stderr, env)),
      );
    say(stdout, isKnown ? summary(garbage, removed, options) : 'Everything is kept.\n');
  }
  return isKnown ? exitCodes.done : exitCodes.failed;
}

/** Shows or removes what interrupted pushes left on a remote. */
async function gcRemote(
  address: string,
  files: readonly string[],
  { yes = false, json = false, forget = [] }: GcOptions,
  services: Services,
): Promise<number> {
  if (files.length + forget.length > 0)
    throw new UserError({
      code: 'no-effect',
      usage: true,
      message: 'Outputs on a remote are kept whatever refers to them: with --remote no file has an effect.',
      remedy: 'Name the remote alone.',
    });
  return withRemote(address, services, async (remote) => {
    const left = await remote.leftovers();
    if (yes) for (const each of left) await remote.remove(each);
    if (json) services.stdout.write(`${JSON.stringify({ garbage: left, removed: yes ? left : [] })}\n`);
    else say(services.stdout, summaryOfRemote(left, yes, remote.shown));
    return exitCodes.done;
  });
}

function summaryOfRemote(left: readonly Leftover[], isRemoved: boolean, shown: string): string {
  if (left.length === 0) return `Nothing to remove: every folder on ${shown} belongs to an output.\n`;
  const rows = left.map(({ path, bytes }) => `${formatBytes(bytes).padStart(8)}  ${path}`);
  const total = formatBytes(left.reduce((sum, { bytes }) => sum + bytes, 0));
  const end = isRemoved
    ? `Removed: ${total}.`
    : `${total} that interrupted pushes left. While nobody pushes there, \`npx pipeline gc --remote ${shown} --yes\` removes them; a push that is repeated continues with them.`;
  return `${rows.join('\n')}\n\n${end}\n`;
}

/** Removes garbage, but for what a run has begun to use since. */
async function removeAll(runsRoot: string, garbage: readonly Garbage[]): Promise<readonly Garbage[]> {
  const used = [...fingerprintsOfRuns((await scanRuns(runsRoot, true)).runs)].map((fingerprint) =>
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
    return `Nothing to remove: every output is referred to, or changed within the last ${olderThan} h.\n`;
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
      : `${total(garbage)} in ${counted(garbage.length, 'folder')} that no run, lock or pipeline file refers to; \`npx pipeline gc --yes\` removes them.`;
  return `${rows.join('\n')}\n\n${end}\n`;
}
