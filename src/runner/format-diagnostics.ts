import { relative } from 'node:path';
import { Chalk, type ChalkInstance } from 'chalk';
import stringWidth from 'string-width';
import type { Diagnostic } from './diagnostics.js';
import { isOption, type Location } from './yaml/text.js';

/** Widest part of a source line that is shown, in terminal columns. */
const widestExcerpt = 120;
const excerptIndent = 4;
/**
 * Distance from a place, in UTF-16 code units, within which a line is looked at: each character that is told apart
 * costs what is.
 */
const reach = 2000;

/**
 * Diagnostics as text: for each `path:line:column error code: message`, the source line with the place
 * underlined, and the remedy. Paths are relative to the current folder.
 *
 * @param options.color with ANSI colours; none without it
 * @param options.width columns of the terminal, which source lines are cut to
 */
export function formatDiagnostics(
  diagnostics: readonly Diagnostic[],
  options: { readonly color?: boolean; readonly width?: number } = {},
): string {
  const chalk = new Chalk({ level: options.color === true ? 1 : 0 });
  const width = Math.max(16, Math.min(widestExcerpt, (options.width ?? Infinity) - excerptIndent));
  return diagnostics.map((diagnostic) => formatOne(diagnostic, chalk, width)).join('\n\n');
}

function formatOne(diagnostic: Diagnostic, chalk: ChalkInstance, width: number): string {
  const tint = diagnostic.severity === 'error' ? chalk.red : chalk.yellow;
  const heading = `${chalk.bold(place(diagnostic))} ${tint(diagnostic.severity)} ${diagnostic.code}: ${diagnostic.message}`;
  const related = (diagnostic.related ?? []).flatMap((other) => [
    `  ${chalk.bold(place(other))} ${other.message}`,
    ...excerpt(other, chalk.dim, width),
  ]);
  const remedy = diagnostic.remedy === undefined ? [] : [`  ${diagnostic.remedy}`];
  return [heading, ...excerpt(diagnostic, tint, width), ...remedy, ...related].join('\n');
}

const place = ({ file, line, column }: Location): string =>
  isOption(file)
    ? file
    : [relative(process.cwd(), file) || '.', ...(line === 0 ? [] : [line, column])].join(':');

/** The source line and its underline, tabs kept so that both lines have them. */
function excerpt(
  { sourceLine, column, endColumn }: Location,
  tint: (text: string) => string,
  width: number,
): string[] {
  if (sourceLine === '') return [];
  const shown = window(sourceLine.trimEnd(), column - 1, endColumn - 1, width);
  const before = shown.text.slice(0, shown.from);
  const marked = shown.text.slice(shown.from, shown.to);
  const indent = before.replace(/[^\t]+/g, (part) => ' '.repeat(stringWidth(part)));
  const carets = '^'.repeat(Math.max(1, stringWidth(marked.replaceAll('\t', ' '))));
  return [`    ${shown.text}`, `    ${indent}${tint(carets)}`];
}

/** The part of a long line around a place, with … where it is cut. */
function window(
  line: string,
  from: number,
  to: number,
  excerptWidth: number,
): { text: string; from: number; to: number } {
  if (line.length <= reach && stringWidth(line) <= excerptWidth) return { text: line, from, to };
  const near = Math.max(0, from - reach);
  const characters = Array.from(
    new Intl.Segmenter().segment(line.slice(near, from + reach)),
    ({ index, segment }) => ({ index: near + index, segment }),
  );
  const first = characters.findIndex(({ index, segment }) => index + segment.length > from);
  const start = Math.max(0, first - Math.floor(excerptWidth * 0.585));
  let end = start;
  for (let width = 0; end < characters.length && width < excerptWidth - 2; end += 1) {
    width += stringWidth(characters[end]!.segment);
  }
  const cutAt = characters[start]!.index;
  const cutEnd = characters[end]?.index ?? line.length;
  const lead = start > 0 ? '…' : '';
  const tail = cutEnd < line.length ? '…' : '';
  const shift = lead.length - cutAt;
  return {
    text: `${lead}${line.slice(cutAt, cutEnd)}${tail}`,
    from: from + shift,
    to: Math.min(to, cutEnd) + shift,
  };
}
