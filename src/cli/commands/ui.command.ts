import { InvalidArgumentError } from 'commander';
import type { CommandDeclaration } from '../command.js';
import { withRuns } from '../options.js';
import type { UiOptions } from './ui.js';

export const uiCommand: CommandDeclaration = (program, perform) =>
  withRuns(program.command('ui'))
    .description('show all runs in a browser, live, on this machine only; Ctrl-C ends it')
    .option(
      '--port <port>',
      'port to listen on, or the next free one after it (default: any free one)',
      parsePort,
      0,
    )
    .option('--open', 'open the page in the browser')
    .action((options: UiOptions) =>
      perform(async (services) => (await import('./ui.js')).ui(options, services), { keepsRecords: true }),
    );

function parsePort(value: string): number {
  const port = Number(value);
  if (!/^\d+$/.test(value) || port > 65_535)
    throw new InvalidArgumentError('A port from 0 to 65535 is expected.');
  return port;
}
