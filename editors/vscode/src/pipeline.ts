import { access } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import stageKeys from './stage-keys.json' with { type: 'json' };

/** What the extension knows of the command line's answers; nothing here depends on VS Code. */

/** Range within a line; line and characters count from 0. */
interface Range {
  readonly line: number;
  readonly start: number;
  readonly end: number;
}

/** A problem of the file that is shown. */
export interface Problem {
  readonly range: Range;
  readonly isError: boolean;
  readonly code: string;
  readonly message: string;
}

interface Diagnostic {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly endColumn: number;
  readonly severity: 'error' | 'warning';
  readonly code: string;
  readonly message: string;
  readonly remedy?: string;
}

export interface Stage {
  readonly id: string;
  readonly kind: string;
}

/** True where a text looks like a pipeline file. */
export const isPipeline = (text: string): boolean =>
  /^(?:stages|extends)\s*:/m.test(text) && !/^madeWith\s*:/m.test(text);

/** Arguments that check the text on standard input. */
export const validateArgs = (file: string): readonly string[] => ['validate', file, '--stdin', '--json'];
export const planArgs = (file: string): readonly string[] => ['plan', file, '--json'];

/** What `pipeline validate --json` found. A problem of another file, which this one extends, is shown at the first line. */
export function problemsOf(output: string, file: string): readonly Problem[] {
  const { files } = JSON.parse(output) as { files: readonly { diagnostics: readonly Diagnostic[] }[] };
  return files.flatMap(({ diagnostics }) =>
    diagnostics.map(({ severity, code, message, remedy, ...place }) => {
      const text = remedy === undefined ? message : `${message}\n${remedy}`;
      const isHere = place.file === file && place.line > 0;
      return {
        range: isHere
          ? { line: place.line - 1, start: place.column - 1, end: place.endColumn - 1 }
          : { line: 0, start: 0, end: 1 },
        isError: severity === 'error',
        code,
        message: isHere || place.line === 0 ? text : `${place.file}:${place.line}: ${text}`,
      };
    }),
  );
}

/** The stages of a file, those of extended files too; none where its YAML is broken. */
export function stagesOf(output: string): readonly Stage[] {
  const { files } = JSON.parse(output) as { files: readonly { stages: readonly Stage[] }[] };
  return files.flatMap(({ stages }) => stages);
}

/** A word to show behind the line of a stage. */
export interface Hint {
  readonly line: number;
  readonly text: 'cached' | 'runs' | 'pull';
  /** Why it runs. */
  readonly because: string;
}

/** What `pipeline plan --json` says of the stages that stand in a text. */
export function hintsOf(output: string, text: string): readonly Hint[] {
  const { stages } = JSON.parse(output) as {
    stages: readonly {
      stage: string;
      state: Hint['text'];
      reasons: readonly { text: string }[];
    }[];
  };
  const lines = text.split(/\r?\n/);
  const start = lines.findIndex((line) => /^stages\s*:/.test(line));
  const next = lines.findIndex((line, i) => i > start && /^[^\s#]/.test(line));
  const end = next < 0 ? lines.length : next;
  if (start < 0) return [];
  return stages.flatMap(({ stage, state, reasons }) => {
    const line = lines.findIndex(
      (each, i) => i > start && i < end && new RegExp(`^ +["']?${stage}["']?\\s*:`).test(each),
    );
    return line < 0 ? [] : [{ line, text: state, because: reasons.map((reason) => reason.text).join('\n') }];
  });
}

/** Stages that fit where the cursor is, after `key:` or within the list of a key. */
export function stagesFor(before: string, stages: readonly Stage[]): readonly Stage[] | undefined {
  const [, key] = /(?:^|[\s{,])["']?([A-Za-z]\w*)["']?\s*:\s*(?:\[[^\]{}]*)?["']?[\w-]*$/.exec(before) ?? [];
  const kinds = new Map<string, readonly string[]>(Object.entries(stageKeys)).get(key ?? '');
  return kinds && stages.filter(({ kind }) => kinds.includes(kind));
}

/** The nearest `pipeline` that is installed above a folder, or what finds one. */
export async function commandFor(folder: string): Promise<readonly string[]> {
  for (let at = folder; ; at = dirname(at)) {
    const found = join(at, 'node_modules', '.bin', 'pipeline');
    if (
      await access(found).then(
        () => true,
        () => false,
      )
    )
      return [found];
    if (at === dirname(at)) return ['npx', '--no-install', 'pipeline'];
  }
}
