import type { Command } from 'commander';
import type { Services } from './services.js';

/**
 * Does a command's work; its exit code becomes the program's. What cannot be printed fails a command that exists to print
 * something, and not one that `keepsRecords` of what it does.
 */
export type Perform = (
  work: (services: Services) => Promise<number>,
  options?: { readonly keepsRecords: boolean },
) => Promise<void>;

/** Adds a command to the command line. What the command does is loaded when it is called, so that help stays fast. */
export type CommandDeclaration = (program: Command, perform: Perform) => void;
