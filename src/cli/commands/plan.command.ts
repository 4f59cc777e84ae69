import { Option } from 'commander';
import type { CommandDeclaration } from '../command.js';
import { type PlanCommandOptions, withPlanOptions } from '../options.js';

export const planCommand: CommandDeclaration = (program, perform) =>
  withPlanOptions(program.command('plan'))
    .description('show which stages are cached and which would run, and why; nothing runs')
    .addOption(
      new Option(
        '--resolved',
        'print the whole configuration, and where each value comes from, instead',
      ).conflicts(['until', 'locked', 'force', 'runs']),
    )
    .option('--json', 'print the plan as JSON')
    .action((file: string, options: PlanCommandOptions & { readonly resolved?: boolean }) =>
      perform(async (services) =>
        options.resolved === true
          ? (await import('./plan-resolved.js')).planResolved(file, options, services)
          : (await import('./plan.js')).plan(file, options, services),
      ),
    );
