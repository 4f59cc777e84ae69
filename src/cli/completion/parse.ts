import type { Argument, Command, Option } from 'commander';

/** A word that completes what is typed. */
export interface Candidate {
  readonly value: string;
  readonly description?: string;
}

/** What is being typed. */
export type Target =
  | { readonly kind: 'command' }
  | { readonly kind: 'option' }
  | { readonly kind: 'value'; readonly option: Option }
  | { readonly kind: 'argument'; readonly argument: Argument | undefined };

export interface ParsedLine {
  /** The command that is named; the program itself where none is yet. */
  readonly command: Command;
  readonly target: Target;
  /** The part of the last word that is to be completed: after `--option=`, what follows. */
  readonly typed: string;
  /** Arguments that are complete. */
  readonly given: readonly string[];
}

/** Finds out what the last word of a command line is to be. `words` begin after the program's name. */
export function parseLine(program: Command, words: readonly string[]): ParsedLine {
  const last = words.at(-1) ?? '';
  const given: string[] = [];
  let command = program;
  let open: Option | undefined;
  let onlyArguments = false;
  for (const word of words.slice(0, -1)) {
    if (open !== undefined) open = undefined;
    else if (word === '--') onlyArguments = true;
    else if (!onlyArguments && word.startsWith('-'))
      open = word.includes('=') ? undefined : taking(command, word);
    else {
      const next = given.length === 0 ? command.commands.find((one) => one.name() === word) : undefined;
      if (next === undefined) given.push(word);
      else command = next;
    }
  }
  const line = { command, given };
  if (open !== undefined) return { ...line, target: { kind: 'value', option: open }, typed: last };
  if (!onlyArguments && last.startsWith('-')) {
    const equals = last.indexOf('=');
    const option = equals < 0 ? undefined : taking(command, last.slice(0, equals));
    if (option === undefined) return { ...line, target: { kind: 'option' }, typed: last };
    return { ...line, target: { kind: 'value', option }, typed: last.slice(equals + 1) };
  }
  if (command.commands.length > 0) return { ...line, target: { kind: 'command' }, typed: last };
  const { registeredArguments } = command;
  const argument = registeredArguments[given.length] ?? registeredArguments.find(({ variadic }) => variadic);
  return { ...line, target: { kind: 'argument', argument }, typed: last };
}

/** The option of that name, if it takes a value. */
function taking(command: Command, name: string): Option | undefined {
  const option = command.options.find(({ long, short }) => long === name || short === name);
  return option?.required === true || option?.optional === true ? option : undefined;
}
