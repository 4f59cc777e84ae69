import { access, chmod, constants, realpath, stat } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { isMap, isScalar, isSeq, type Pair, parseDocument, type Scalar, type YAMLMap } from 'yaml';
import { UserError } from '../base/errors.js';
import { asUserError, readWholeText } from '../base/files.js';
import { writeFileWhole } from '../base/output-file.js';

/**
 * Writes the ratios of a `sample` stage's phases into a pipeline file. All other text stays as it is, to the byte.
 *
 * @throws UserError as `checkRatios`
 */
export async function writeRatios(file: string, stage: string, ratios: readonly number[]): Promise<void> {
  const text = await withRatios(file, stage, ratios);
  // The file itself where a link was named.
  const path = await realpath(file);
  const { mode } = await stat(path);
  await writeFileWhole(path, text);
  await chmod(path, mode);
}

/**
 * Checks that so many ratios of a `sample` stage can be written into a pipeline file.
 *
 * @throws UserError `phases-not-here` where the file does not itself hold the phases, or where another value would
 *   change with them
 */
export async function checkRatios(file: string, stage: string, count: number): Promise<void> {
  const others = Array.from({ length: count }, (_, i) => (i + 1) * 1.23456789e-7);
  await withRatios(file, stage, others);
}

/** A pipeline file's text with other ratios. */
async function withRatios(file: string, stage: string, ratios: readonly number[]): Promise<string> {
  const text = await access(file, constants.R_OK | constants.W_OK)
    .then(() => readWholeText(file))
    .catch((error: unknown) => {
      throw asUserError(error, file);
    });
  const document = parseDocument(text);
  const path = ['stages', stage, 'phases'];
  const phases: unknown = document.getIn(path);
  const count = ratios.length + 1;
  if (document.errors.length > 0 || !isSeq(phases) || phases.items.length !== count)
    throw new UserError({
      code: 'phases-not-here',
      usage: true,
      message: `${file} does not itself hold ${count} phases of the stage ${stage}.`,
      remedy: 'Write them there first: `phases: [{ model: …, switchRatio: 0.9 }, …]`.',
    });
  const written = ratios
    .flatMap((ratio, i) => editOf(text, phases.items[i], ratio))
    .sort((one, other) => other.start - one.start)
    .reduce((all, { start, end, by }) => all.slice(0, start) + by + all.slice(end), text);
  const found = parseDocument(written);
  const wanted = withValue(document.toJS(), path, (each) =>
    (each as readonly Tree[]).map((part, i) =>
      i < ratios.length ? { ...part, switchRatio: ratios[i] } : part,
    ),
  );
  if (found.errors.length === 0 && isDeepStrictEqual(found.toJS(), wanted)) return written;
  throw new UserError({
    code: 'phases-not-here',
    usage: true,
    message: `${file} holds the phases of the stage ${stage} in a form in which their ratios cannot be changed alone.`,
    remedy:
      'Write each phase there as `{ model: …, switchRatio: 0.9 }`, without aliases (`*name`) of it or in it.',
  });
}

type Tree = Readonly<Record<string, unknown>>;

/** A tree with another value at a path; what else refers to the old one keeps it. */
function withValue(
  tree: unknown,
  [key, ...rest]: readonly string[],
  change: (value: unknown) => unknown,
): unknown {
  if (key === undefined) return change(tree);
  return { ...(tree as Tree), [key]: withValue((tree as Tree)[key], rest, change) };
}

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly by: string;
}

/** The change of a file's text that gives a phase its ratio; none where it has no such place. */
function editOf(text: string, phase: unknown, ratio: number): readonly Edit[] {
  if (!isMap(phase)) return [];
  const before = phase.items.find(({ key }) => isScalar(key) && key.value === 'switchRatio');
  if (before) return [replaced(before, ratio)];
  const last = phase.items.at(-1);
  return last ? [added(text, phase, last, ratio)] : [];
}

const rangeOf = (node: unknown): readonly [number, number, number] => (node as Scalar).range!;

/** Puts a number where a value is, or a key without one. */
function replaced({ key, value }: Pair, ratio: number): Edit {
  const [start, end] = rangeOf(value ?? key);
  if (end > start && value) return { start, end, by: String(ratio) };
  const [from] = rangeOf(key);
  return { start: from, end, by: `switchRatio: ${ratio}` };
}

/** Puts a key behind the last one: in its braces, or on a line below it. */
function added(text: string, phase: YAMLMap, last: Pair, ratio: number): Edit {
  const [, end] = rangeOf(last.value ?? last.key);
  if (phase.flow === true) return { start: end, end, by: `, switchRatio: ${ratio}` };
  const [start] = rangeOf(phase.items[0]!.key);
  const column = start - (text.lastIndexOf('\n', start - 1) + 1);
  const line = text.startsWith('\r\n', text.indexOf('\n', end) - 1) ? '\r\n' : '\n';
  const at = Math.max(end, endOfLine(text, end));
  return { start: at, end: at, by: `${line}${' '.repeat(column)}switchRatio: ${ratio}` };
}

/** Offset of the end of the line that a place is in, before its line break. */
function endOfLine(text: string, from: number): number {
  const found = /\r?\n|$/g;
  found.lastIndex = from;
  return found.exec(text)!.index;
}
