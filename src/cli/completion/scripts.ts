import { readWholeTextSync } from '../../base/files.js';
/** Shells that completion is offered for. */
export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

/**
 * Scripts that a shell runs at its start. The scripts ask the command itself, `pipeline complete`, for each word: a
 * line each with a value, a tab and a description; the line `:files` stands for names of files, `:pipelines` for those
 * of pipelines. Nothing that was typed is evaluated.
 */
export function startScript(shell: Shell): string {
  return readWholeTextSync(new URL(`pipeline.${shell}`, import.meta.url));
}

/**
 * Splits the part of a command line before the cursor into words, as a shell would: quotes and backslashes are taken
 * away, nothing is expanded. The last word is the one that is being typed: empty after a space.
 */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  let word = '';
  let quote: '"' | "'" | undefined;
  for (let i = 0; i < line.length; i++) {
    const character = line[i]!;
    if (character === '\\' && quote !== "'" && i + 1 < line.length) word += line[++i]!;
    else if (character === quote) quote = undefined;
    else if (quote === undefined && (character === '"' || character === "'")) quote = character;
    else if (quote !== undefined || !/\s/.test(character)) word += character;
    else if (word !== '') {
      words.push(word);
      word = '';
    }
  }
  return [...words, word];
}
