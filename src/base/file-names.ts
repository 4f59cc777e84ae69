import { readdir } from 'node:fs/promises';
import { UserError } from './errors.js';

/** True for files and folders that file managers, servers and systems leave behind: never part of the data. */
function isLitter(name: string): boolean {
  return litter.has(name.toLowerCase()) || name.startsWith('._');
}

/** True where a part of a path, with `/`, is hidden or litter. */
export function isUnseen(path: string): boolean {
  return path.split('/').some((part) => /^\.[^./]/.test(part) || isLitter(part));
}

/** True for the names of pipeline files and their locks, which may lie among the data: never part of it. */
export function isPipelineFileName(name: string): boolean {
  return /\.ya?ml$/i.test(name);
}

/** Ending of the names of locks: a run writes one beside its pipeline file. */
export const lockEnding = '.lock.yaml';

/** Their names in small letters, as each system has versions that write them otherwise. */
const litter = new Set([
  '.ds_store',
  '__macosx',
  '.spotlight-v100',
  '.trashes',
  '.fseventsd',
  '.temporaryitems',
  'thumbs.db',
  'ehthumbs.db',
  'desktop.ini',
  '$recycle.bin',
  'recycler',
  'system volume information',
  '@eadir',
  '#recycle',
  '#snapshot',
  '@recycle',
  '@recently-snapshot',
  'lost+found',
]);

/**
 * Holds names in a folder to UTF-8: others cannot be opened by what they read as.
 *
 * @throws UserError `file-name-not-utf8`
 */
export async function checkFileNames(folder: string, names: readonly string[]): Promise<void> {
  if (!names.some((name) => name.includes('\uFFFD'))) return;
  const raw = await readdir(folder, { encoding: 'buffer' });
  const wrong = raw.filter((name) => !Buffer.from(name.toString('utf8')).equals(name));
  if (wrong.length === 0) return;
  const shown = wrong.slice(0, 3).map((name) => name.toString('latin1'));
  throw new UserError({
    code: 'file-name-not-utf8',
    message: `${folder}: ${wrong.length} of ${names.length} names there are not UTF-8; as Latin-1 they read ${shown.join(', ')}${wrong.length > 3 ? ', …' : ''}.`,
    remedy: 'Rename them, such as by `convmv -f latin1 -t utf8 -r --notest FOLDER`.',
  });
}
