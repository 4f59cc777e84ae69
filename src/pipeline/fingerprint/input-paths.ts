import { resolve } from 'node:path';
import type { Json } from '../stage.js';
import { isArray, isObject } from './canonical-json.js';
import type { KeyPath } from './origin.js';

/**
 * Where a configuration names the file or folder `location`: values that, resolved against the pipeline file's folder,
 * are its absolute path, at keys that hold paths (`path`, `file`, `weights`, or ending in `Path` or `File`).
 */
export function findInputPaths(
  config: Json,
  location: string,
  pipelineDirectory: string,
): readonly KeyPath[] {
  const found: KeyPath[] = [];
  const visit = (value: Json, path: KeyPath): void => {
    if (typeof value === 'string') {
      const key = path.findLast((part) => !/^\d+$/.test(part));
      if (key !== undefined && holdsPath.test(key) && resolve(pipelineDirectory, value) === location)
        found.push(path);
    } else if (isArray(value)) {
      value.forEach((item, i) => {
        visit(item, [...path, String(i)]);
      });
    } else if (isObject(value)) {
      for (const [key, item] of Object.entries(value)) visit(item, [...path, key]);
    }
  };
  visit(config, []);
  return found;
}

const holdsPath = /^(path|file|weights)$|(Path|File)$/;
