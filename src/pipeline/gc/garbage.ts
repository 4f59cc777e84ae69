import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { asUserError } from '../../files/file-errors.js';

/** Something in the store that nothing refers to. */
export interface Garbage {
  /** Absolute path. */
  readonly path: string;
  readonly what: 'output' | 'interrupted session' | 'damaged output' | 'replaced output' | 'left over';
  readonly kind: string;
  /** The first part of the fingerprint, which names the output. */
  readonly key: string;
  readonly bytes: number;
}

export interface GarbageOptions {
  readonly kept: ReadonlySet<string>;
  /** What changed more recently stays. */
  readonly youngerThanMs: number;
  readonly now?: number;
}

/** Finds what nothing refers to and is old enough, per kind of stage, with the sizes. */
export async function findGarbage(runsRoot: string, options: GarbageOptions): Promise<readonly Garbage[]> {
  const store = join(runsRoot, 'store');
  const kept = new Set([...options.kept].map((fingerprint) => fingerprint.slice(0, keyLength)));
  const garbage: Garbage[] = [];
  for (const kind of await names(store)) {
    if (kind.startsWith('.')) continue;
    for (const name of (await names(join(store, kind))).sort()) {
      const [key = '', ...rest] = name.split('.');
      const suffix = rest.join('.');
      const what = describe(suffix);
      if (what === undefined || (kept.has(key) && !alwaysGarbage.has(what))) continue;
      const path = join(store, kind, name);
      const { bytes, changedMs } = await measure(path);
      // A time in the future is one of a clock that was set back: as good as now.
      if ((options.now ?? Date.now()) - changedMs < options.youngerThanMs) continue;
      garbage.push({ path, what, kind, key, bytes });
    }
  }
  return garbage;
}

const keyLength = 16;
const alwaysGarbage = new Set<Garbage['what']>(['damaged output', 'left over']);

/** Undefined for locks and the bookkeeping of sessions, which go with what they belong to. */
function describe(suffix: string): Garbage['what'] | undefined {
  if (suffix === '') return 'output';
  if (suffix === 'partial') return 'interrupted session';
  if (suffix.startsWith('damaged-')) return 'damaged output';
  if (suffix.startsWith('replaced-')) return 'replaced output';
  return suffix.endsWith('.tmp') ? 'left over' : undefined;
}

/** Size of all files, and when the latest of them, or of the folders, changed. */
async function measure(path: string): Promise<{ readonly bytes: number; readonly changedMs: number }> {
  const stats = await stat(path).catch((error: unknown) => {
    throw asUserError(error, path);
  });
  if (!stats.isDirectory()) return { bytes: stats.size, changedMs: stats.mtimeMs };
  let bytes = 0;
  let changedMs = Math.max(stats.mtimeMs, stats.ctimeMs);
  for (const entry of await readdir(path, { withFileTypes: true }).catch((error: unknown) => {
    throw asUserError(error, path);
  })) {
    if (entry.isSymbolicLink()) continue;
    const inside = await measure(join(path, entry.name));
    bytes += inside.bytes;
    changedMs = Math.max(changedMs, inside.changedMs);
  }
  return { bytes, changedMs };
}

async function names(folder: string): Promise<string[]> {
  return readdir(folder).catch((error: unknown) => {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
    throw asUserError(error, folder);
  });
}
