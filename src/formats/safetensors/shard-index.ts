import { existsSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { readWholeTextSync } from '../../base/files.js';

/** The largest header that is read: of about 150,000 tensors. Parsed, it takes many times its size. */
export const largestHeader = 16 * 2 ** 20;

export const indexEnding = '.safetensors.index.json';

/** True when a path names tensors in safetensors format: one file, or the index of several. */
export function isSafetensorsPath(path: string): boolean {
  return /\.safetensors(\.index(\.\w+)?\.json)?$/i.test(path);
}

/** True when a path names the index of several files of weights, of a variant (`.index.fp16.json`) too. */
export const isIndexPath = (path: string): boolean => /\.(safetensors|bin)\.index(\.\w+)?\.json$/i.test(path);

/** Paths of the files that an index names, as far as they are there; none for what is no index. */
export function shardsOf(path: string): readonly string[] {
  if (!isIndexPath(path) || statSync(path).size > largestHeader) return [];
  try {
    const names = new Set(Object.values(placesIn(readWholeTextSync(path)) ?? {}));
    return [...names].map((name) => join(dirname(path), name)).filter((shard) => existsSync(shard));
  } catch {
    // Whoever opens it says what is wrong with it.
    return [];
  }
}

/** The file of each tensor in the text of an index; undefined where it names none. @throws SyntaxError */
export function placesIn(text: string): Readonly<Record<string, string>> | undefined {
  const places = (JSON.parse(text) as { weight_map?: unknown } | null)?.weight_map;
  const names = typeof places === 'object' && places !== null ? Object.values(places) : [];
  const isName = (file: unknown) =>
    typeof file === 'string' && file === basename(file) && !['', '.', '..'].includes(file);
  return names.length > 0 && names.every(isName) ? (places as Record<string, string>) : undefined;
}
