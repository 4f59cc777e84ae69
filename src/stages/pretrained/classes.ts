import { UserError } from '../../base/errors.js';
import { asUserError } from '../../base/files.js';
import { readInputText } from '../../base/input-file.js';
import type { PretrainedConfig } from '../../generated/index.js';

/** True when names of classes are in a file. */
export const isFile = (classes: PretrainedConfig['classes']): classes is { file: string } =>
  classes !== undefined && !Array.isArray(classes);

/**
 * Names of classes from a file: a JSON array where it ends in .json, otherwise a name a line.
 *
 * @throws UserError `file-missing`, or `classes-file-malformed` for what is no list of different names
 */
export async function readClassNames(path: string): Promise<string[]> {
  const text = await readInputText(path).catch((error: unknown) => {
    throw asUserError(error, path);
  });
  const names = /\.json$/i.test(path) ? jsonNames(text, path) : lines(text);
  const repeated = [...new Set(names.filter((name, i) => names.indexOf(name) !== i))];
  if (repeated.length > 0)
    throw malformed(path, `these names stand for several classes: ${repeated.join(', ')}`);
  return names;
}

function lines(text: string): string[] {
  return text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

function jsonNames(text: string, path: string): string[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw malformed(path, 'it is not JSON', cause);
  }
  if (Array.isArray(value) && value.every((name) => typeof name === 'string')) return value;
  throw malformed(path, 'an array of names is expected');
}

function malformed(path: string, problem: string, cause?: unknown): UserError {
  return new UserError({
    code: 'classes-file-malformed',
    message: `${path}: ${problem}.`,
    remedy: 'Name every class once, in the order of the labels: a name a line, or a JSON array.',
    cause,
  });
}
