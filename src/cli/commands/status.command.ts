import { InvalidArgumentError, Option } from 'commander';
import { runStates, type RunState } from '../../pipeline/runs/states.js';
import type { CommandDeclaration } from '../command.js';
import { withRuns } from '../options.js';
import type { StatusOptions } from './status.js';

export const statusCommand: CommandDeclaration = (program, perform) =>
  withRuns(program.command('status'))
    .description('list runs: what is running, with its progress, and what became of the others')
    .argument('[run...]', 'pipelines or runs to list; all without it')
    .addOption(
      new Option('--state <state>', 'only runs in this state; may be given several times')
        .choices(runStates)
        .argParser(collectState)
        .default([], 'all'),
    )
    .option('--since <when>', 'only runs that started since then: 90m, 12h, 7d, or 2026-11-25', parseSince)
    .option('--last <count>', 'only the latest ones', parseCount)
    .addOption(new Option('--watch', 'stay, and show progress while it is made').conflicts('json'))
    .option('--json', 'print the runs as JSON')
    .action((filters: string[], options: StatusOptions) =>
      perform(async (services) => (await import('./status.js')).status(filters, options, services)),
    );

function collectState(value: string, earlier: readonly RunState[]): RunState[] {
  const state = runStates.find((known) => known === value);
  if (state === undefined) throw new InvalidArgumentError(`The states are ${runStates.join(', ')}.`);
  return [...earlier, state];
}

const unitMs: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

function parseSince(value: string): Date {
  const [, count, unit] = /^(\d+)([mhd])$/.exec(value) ?? [];
  const date = unit === undefined ? new Date(value) : new Date(Date.now() - Number(count) * unitMs[unit]!);
  if (Number.isNaN(date.getTime()))
    throw new InvalidArgumentError('A time such as 90m, 12h, 7d or 2026-11-25 is expected.');
  return date;
}

export function parseCount(value: string): number {
  if (!/^[1-9]\d*$/.test(value)) throw new InvalidArgumentError('A whole number from 1 is expected.');
  return Number(value);
}
