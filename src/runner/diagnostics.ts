import { nearest } from '../base/nearest.js';
import { isOption, locate, type Location, type Span } from './yaml/text.js';

/** A problem of a pipeline file, at the place where it is. */
export interface Diagnostic extends Location {
  /** Stable identifier in kebab-case. Public: scripts may match on it. */
  readonly code: string;
  readonly severity: 'error' | 'warning';
  /** One sentence: what was expected and what was found. */
  readonly message: string;
  /** Remedy, as a sentence. */
  readonly remedy?: string;
  /** Other places that the problem is about. */
  readonly related?: readonly (Location & { readonly message: string })[];
}

/** A diagnostic before its place is looked up. */
export interface Problem {
  readonly code: string;
  readonly message: string;
  readonly remedy?: string | undefined;
  readonly span: Span;
  readonly related?: readonly { readonly message: string; readonly span: Span }[];
}

/** Looks up the place of a problem. */
export function diagnostic({ code, message, remedy, span, related }: Problem): Diagnostic {
  return {
    code,
    severity: 'error',
    message,
    ...locate(span),
    ...(remedy === undefined ? {} : { remedy }),
    ...(related === undefined
      ? {}
      : { related: related.map((other) => ({ message: other.message, ...locate(other.span) })) }),
  };
}

/**
 * Puts diagnostics in the order of their places, `files` one after the other and options last, and drops repetitions,
 * which shared anchors give.
 */
export function sortDiagnostics(diagnostics: readonly Diagnostic[], files: readonly string[]): Diagnostic[] {
  const rank = ({ file }: Diagnostic): number => (isOption(file) ? files.length : files.indexOf(file));
  const unique = new Map(
    diagnostics.map((found) => [
      [found.file, found.line, found.column, found.sourceLine, found.code, found.message].join('\0'),
      found,
    ]),
  );
  return [...unique.values()].sort(
    (a, b) =>
      rank(a) - rank(b) || a.line - b.line || a.column - b.column || a.code.localeCompare(b.code, 'en'),
  );
}

/** A key or value as it is shown in a sentence. */
export const code = (value: unknown): string =>
  `\`${typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value)}\``;

/** "Did you mean …?" where a candidate is near, otherwise all of them. */
export function suggestion(found: string, candidates: readonly string[], noun: string): string | undefined {
  const near = nearest(found, candidates);
  if (near !== undefined) return `Did you mean ${code(near)}?`;
  return listed(candidates, noun);
}

/** Lists all candidates, if there are any. */
export function listed(candidates: readonly string[], noun: string): string | undefined {
  return candidates.length === 0 ? undefined : `${noun}: ${candidates.map(code).join(', ')}.`;
}
