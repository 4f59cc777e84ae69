import { isAbsolute, relative } from 'node:path';

/** A path as short as it can be typed here: relative where it lies under the current folder, otherwise absolute. */
export function shortPath(path: string): string {
  const short = relative(process.cwd(), path);
  return short === '' ? '.' : short.startsWith('..') || isAbsolute(short) ? path : short;
}
