import type { Command } from 'commander';
import { findCandidates } from '../completion/candidates.js';
import { type Shell, splitWords } from '../completion/scripts.js';
import { exitCodes, type Services } from '../services.js';

/** Longest description that is printed: lists of a shell are narrow. */
const longestDescription = 70;

/**
 * `pipeline complete`: how the last word may go on. bash gives its whole line, for it takes words apart at `=` and `:`,
 * and wants to be told only what comes after the last of these.
 */
export async function complete(
  program: Command,
  shell: Shell,
  words: readonly string[],
  { stdout, env }: Services,
): Promise<number> {
  const typed = shell === 'bash' ? splitWords(words[0] ?? '').slice(1) : words;
  const { values, files } = await findCandidates(program, typed, env);
  const start = shell === 'bash' ? (/^.*[=:]/s.exec(typed.at(-1) ?? '')?.[0].length ?? 0) : 0;
  const prefix = shell === 'bash' ? '' : (/^--[\w-]+=/.exec(typed.at(-1) ?? '')?.[0] ?? '');
  for (const { value, description = '' } of values) {
    const offered = shell === 'bash' ? afterBreak(value, typed.at(-1) ?? '', start) : `${prefix}${value}`;
    stdout.write(
      shell === 'bash' || description === '' ? `${offered}\n` : `${offered}\t${shortened(description)}\n`,
    );
  }
  if (files !== 'none') stdout.write(files === 'all' ? ':files\n' : ':pipelines\n');
  return exitCodes.done;
}

/** A value without what bash holds for earlier words: what was typed up to the last `=` or `:`. */
function afterBreak(value: string, typed: string, start: number): string {
  const own = typed.startsWith('--') ? typed.indexOf('=') + 1 : 0;
  return value.slice(Math.max(0, start - own));
}

function shortened(description: string): string {
  const line = description.replace(/\s+/g, ' ');
  return line.length <= longestDescription ? line : `${line.slice(0, longestDescription - 1)}…`;
}
