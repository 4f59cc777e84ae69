import type { Problem } from '../diagnostics/diagnostic.js';
import { code } from '../diagnostics/words.js';
import type { Schema } from '../schema/schema.js';
import type { SchemaError } from '../schema/schema.js';
import { spanAt, type Tree, type TreePath } from '../source/tree.js';

/** An error of the validator and what its explanation is made from. */
export interface Facts {
  readonly error: SchemaError;
  readonly path: TreePath;
  readonly root: Tree;
  readonly schema: Schema & {
    /** Other types that the value may have, in words. */
    readonly orElse?: readonly string[];
    readonly minItems?: number;
    readonly maxItems?: number;
  };
  /** The value at the start of a sentence: `` `steps` `` or ``Item 2 of `channels` ``. */
  readonly name: string;
}

/** Tells what an error means; nothing where it only follows from another one. */
export type Explainer = (facts: Facts) => Problem[];

export type Told = Pick<Problem, 'code' | 'message' | 'remedy'>;

/** A problem that points at the value. */
export const atValue = ({ root, path }: Facts, told: Told): Problem => ({
  ...told,
  span: spanAt(root, path, 'value'),
});

/** A problem that points at the key of the value. */
export const atKey = ({ root, path }: Facts, told: Told): Problem => ({
  ...told,
  span: spanAt(root, path, 'key'),
});

/** The keys of a JSON pointer. */
export const pathOf = (pointer: string): string[] =>
  pointer
    .split('/')
    .slice(1)
    .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));

/** What a value is called at the start of a sentence. */
export function nameOf(path: TreePath): string {
  const key = path.findLast((part) => !/^\d+$/.test(part));
  if (key === undefined) return 'The pipeline';
  const last = path.at(-1)!;
  return last === key ? code(key) : `Item ${Number(last) + 1} of ${code(key)}`;
}

/** What was written, in a sentence. */
export function found(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a map';
  return typeof value === 'string' ? `the text ${code(value)}` : code(value);
}
