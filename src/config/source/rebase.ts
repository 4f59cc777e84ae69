import { dirname, isAbsolute, join, relative } from 'node:path';
import type { Schema } from '../schema/schema.js';
import { changeTexts } from './scalars.js';
import { optionFile } from './text.js';
import type { Tree } from './tree.js';

/**
 * Makes relative paths of extended files relative to the pipeline file's folder. Those of `--set` options are relative to
 * it already.
 */
export function rebasePaths(tree: Tree, schema: Schema, directory: string): Tree {
  return changeTexts(tree, schema, (scalar, place) => {
    const { file } = scalar.span.source;
    const path = String(scalar.value);
    if (place?.isPath !== true || file === optionFile || isAbsolute(path)) return scalar;
    const from = dirname(file);
    return from === directory ? scalar : { ...scalar, value: relative(directory, join(from, path)) || '.' };
  });
}
