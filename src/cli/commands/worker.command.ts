import { workerCommand as name } from '../../distributed/messages.js';
import type { CommandDeclaration } from '../command.js';

/** What a run starts as its data-parallel workers: not for people, and not in the help. */
export const workerCommand: CommandDeclaration = (program, perform) =>
  program
    .command(name, { hidden: true })
    .action(() => perform(async (services) => (await import('./worker.js')).worker(services)));
